"""What notebooks show."""

import pytest

import converter
import yolov3
from converter import convert, info, verify
from converter.notebook import Record, table
from converter.version import VERSION


def test_values_are_text_whatever_they_are():
    assert table([("<b>", 3), ("a & b", None)], ("x", "y")) == (
        "<table><tr><th>x</th><th>y</th></tr>"
        "<tr><td>&lt;b&gt;</td><td>3</td></tr><tr><td>a &amp; b</td><td>None</td></tr></table>"
    )


def test_without_a_head():
    assert table([("a",)]) == "<table><tr><td>a</td></tr></table>"


class Done(Record):
    def as_dict(self):
        return {"schema": 1, "name": "<a>", "count": 2, "rows": [1] * 1000, "none": None}


def test_a_record_is_a_line_of_what_is_simple_in_it():
    assert repr(Done()) == "Done(name='<a>', count=2)"


def test_a_record_is_a_table_in_a_notebook():
    assert Done()._repr_html_() == (
        "<table><tr><td>name</td><td>&lt;a&gt;</td></tr><tr><td>count</td><td>2</td></tr></table>"
    )


def test_what_the_public_functions_return_is_read_at_a_glance(sample):
    done = convert(sample.weights)
    for record in (
        done,
        info(done.output),
        info(sample.weights),
        verify(sample.weights, done.output),
    ):
        assert repr(record).startswith(f"{type(record).__name__}(")
        assert len(repr(record)) < 1000
        html = record._repr_html_()
        assert html.startswith("<table><tr>")
        assert len(html) < 1500


@pytest.mark.parametrize("package", [converter, yolov3])
def test_all_public_names_are_there(package):
    assert package.__version__ == VERSION
    for name in package.__all__:
        assert getattr(package, name).__name__ in (name, "describe")
    assert set(package._LATE) <= set(package.__all__)
