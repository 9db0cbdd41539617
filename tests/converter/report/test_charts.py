"""The histogram, the byte map and the plot of errors, to scale."""

import re

import nets
import pytest
import reference

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.families import yolov3
from converter.plan import make_plan
from converter.report import charts
from converter.report.model import LayerError


def plan_of(text: str):
    network = parse_network(text)
    return make_plan(
        header=Header(major=0, minor=2, revision=0, seen=0, size=20),
        size=None,
        network=network,
        naming=yolov3.name_layers(network),
        dialect="pjreddie",
    )


def lengths(path: str) -> float:
    return sum(float(n) for n in re.findall(r"\dh([\d.e-]+)v", path))


def test_a_histogram_is_as_high_as_its_fullest_bin():
    counts = [0] * 46 + [1, 2]
    assert charts.histogram(counts) == "M0 16V16h46V8h1V0h1V16z"


@pytest.mark.parametrize("spp", [False, True])
def test_the_byte_map_is_to_scale(spp):
    text = nets.yolov3(width=2, spp=spp)
    drawn = charts.byte_map(plan_of(text))
    sizes: dict[int, int] = {-1: 20}
    for entry in reference.layout(text):
        floats = 1
        for size in entry.shape:
            floats *= size
        sizes[entry.layer] = sizes.get(entry.layer, 0) + 4 * floats
    assert [layer for layer, _ in drawn.stretches] == list(sizes)
    for layer, path in drawn.stretches:
        # 1000 units a line; widths are written with six digits.
        expected = sizes[layer] * 1000 / drawn.line
        assert lengths(path) == pytest.approx(expected, rel=1e-5)


def test_the_byte_map_fills_its_lines():
    plan = plan_of(nets.yolov3(width=2))
    drawn = charts.byte_map(plan)
    assert len(drawn.labels) == 16
    assert drawn.labels[1] == drawn.line == -(-plan.size // 16)
    total = sum(lengths(path) for _, path in drawn.stretches)
    assert total == pytest.approx(plan.size * 1000 / drawn.line, rel=1e-6)


def test_errors_are_drawn_on_a_logarithmic_scale():
    rows = [LayerError(0, 1e-4, 1e-6), LayerError(1, 1e-5, 0.0), LayerError(2, float("nan"), 1e-5)]
    plot = charts.error_plot(rows, layers=4)
    # Lines for 1e-4, 1e-5, 1e-6 and zero: three gaps of 200 / 3 units.
    gap = pytest.approx(200 / 3)
    assert [absolute for _, _, absolute, _ in plot.marks] == [0, gap, None]
    assert [relative for *_, relative in plot.marks] == [pytest.approx(400 / 3), 200, gap]
    assert [label for _, label in plot.ticks] == ["1e-6", "1e-5", "1e-4", "0"]
    assert [x for _, x, _, _ in plot.marks] == [125, 375, 625]


def test_exact_layers_have_a_plot_too():
    plot = charts.error_plot([LayerError(0, 0.0, 0.0)], layers=1)
    assert plot.marks[0][2] == plot.height
