"""A network drawn by its layers alone: what stands in which panel and column."""

import re

import pytest

from converter.darknet.network import parse_network
from converter.report import columns
from converter.report.drawing import SHEET

CONV = "[convolutional]\nfilters=4\nsize=1\n"
HALVE = "[maxpool]\nsize=2\nstride=2\n"


def drawn(body):
    return columns.draw(parse_network(f"[net]\nwidth=16\nheight=8\nchannels=3\n{body}").nodes)


def test_a_panel_for_each_run_of_one_picture_size():
    drawing = drawn(CONV * 2 + HALVE + CONV)
    numbers = [[int(n) for n in re.findall(r"\d+", panel.title)] for panel in drawing.panels]
    assert numbers == [[8, 16, 0, 1], [4, 8, 2, 3]]  # height, width, first and last layer


@pytest.mark.parametrize(
    ("layers", "rows", "filled"),
    [
        (1, 1, 1),
        (6, 6, 1),
        (7, 6, 2),  # a column has six before there is a second
        (42, 6, 7),
        (43, 7, 7),  # seven columns are as wide as the page: now they grow
    ],
)
def test_columns_fill_from_the_top_and_then_to_the_right(layers, rows, filled):
    chips = list(drawn(CONV * layers).chips.values())
    tops, lefts = ({getattr(chip, side) for chip in chips} for side in "yx")
    assert (len(tops), len(lefts)) == (rows, filled)
    assert [chip.y for chip in chips[:rows]] == sorted(tops)
    if filled > 1:
        assert chips[rows].y == chips[0].y
        assert chips[rows].x > chips[0].x


def test_sheets_hold_their_wires():
    """A browser cuts off what leads out of a sheet. Here are wires down a column, to the next one,
    to another panel beside or below, and past other layers."""
    body = (CONV * 90 + HALVE + CONV * 3 + "[shortcut]\nfrom=-3\n" + HALVE + CONV * 70) * 2
    drawing = drawn(body.replace("[shortcut]", CONV * 30 + "[shortcut]", 1))
    sheets = drawing.sheets
    assert [chip for sheet in sheets for chip in sheet.chips.items()] == [*drawing.chips.items()]
    for sheet in sheets:
        assert sheet.wires
        for wire in sheet.wires:
            heights = [float(y) for y in re.findall(r"[\d.-]+ ([\d.-]+)", wire.path)]
            assert sheet.top <= min(heights)
            assert max(heights) <= sheet.top + sheet.height
    inner = [wire for sheet in sheets for wire in sheet.wires]
    assert inner == [wire for wire in drawing.wires if wire.source // SHEET == wire.target // SHEET]
    assert [wire for wire in drawing.wires if wire.sheet is None] == [
        wire for wire in drawing.wires if wire not in inner
    ]


def test_what_skips_layers_is_drawn_as_such():
    drawing = drawn(CONV * 3 + "[shortcut]\nfrom=-3\n")
    assert [(w.source, w.target, w.kind) for w in drawing.wires] == [
        (0, 1, "flow"), (1, 2, "flow"), (2, 3, "flow"), (0, 3, "skip"),
    ]  # fmt: skip
