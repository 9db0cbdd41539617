"""[shortcut]: maps and weights that do not fit, and its arrays."""

import pytest
from one_feature import conv, section

from tests.converter.darknet.layers.small_networks import refusal, written_out


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([section("shortcut", from_=0)], "refers to layer -1"),
        (
            [conv(), conv(stride=2), section("shortcut", from_=0)],
            "ratios of height and width differ",
        ),
        (
            [conv(), conv(), section("shortcut", from_=-2, weights_type="each")],
            "weights_type=each is unknown",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(layers, message):
    assert message in refusal(*layers)


# AB shortcut_layer.c:49: a weight for each of three maps, or of their channels
@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("shortcut, per feature", ["weights weight 3"]),
        ("shortcut, per channel", ["weights weight 3x6"]),
    ],
)
def test_arrays_written_out(name, arrays):
    assert written_out(name) == arrays
