"""What notebooks show."""

from converter.notebook import table


def test_values_are_text_whatever_they_are():
    assert table([("<b>", 3), ("a & b", None)], ("x", "y")) == (
        "<table><tr><th>x</th><th>y</th></tr>"
        "<tr><td>&lt;b&gt;</td><td>3</td></tr><tr><td>a &amp; b</td><td>None</td></tr></table>"
    )


def test_without_a_head():
    assert table([("a",)]) == "<table><tr><td>a</td></tr></table>"
