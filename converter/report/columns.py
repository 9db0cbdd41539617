"""Any network drawn by its layers alone: in columns, a panel for each run of equal picture size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from math import ceil

from converter.darknet.nodes import Node
from converter.report.drawing import Box, Canvas, Cell, Drawing, Point, curve, line
from converter.report.text import shape, span

W, H = 134.0, 24.0  # of a chip
PITCH, COLUMN = H + 9, W + 30  # from chip to chip, down and across
MARGIN, TITLE = 12.0, 16.0  # of a panel
GAP = 16.0  # between panels
COLUMNS, WIDTH = 7, 7 * COLUMN + 24
LEAST_ROWS = 6  # a column is not shorter, while there is more than one


def draw(nodes: Sequence[Node]) -> Drawing:
    """The drawing of ``nodes``: panels from left to right and top to bottom."""
    canvas = Canvas(W, H)
    runs = groupby(nodes, key=lambda node: (node.output.h, node.output.w))
    cells = (_cell(list(run), size) for size, run in runs)
    height = canvas.shelve(cells, 0.0, width=WIDTH, gap=(GAP, GAP))
    return Drawing(
        width=WIDTH,
        height=height + 2,
        panels=canvas.panels,
        chips=canvas.boxes,
        wires=canvas.wires(nodes, partial(_way, canvas)),
        wide=True,
    )


def _cell(members: Sequence[Node], size: tuple[int, int]) -> Cell:
    rows = min(len(members), max(LEAST_ROWS, ceil(len(members) / COLUMNS)))
    return Cell(
        title=_title(members, size),
        chips={
            node.index: (MARGIN + i // rows * COLUMN, MARGIN + TITLE + i % rows * PITCH)
            for i, node in enumerate(members)
        },
        w=ceil(len(members) / rows) * COLUMN + 2 * MARGIN - (COLUMN - W),
        h=rows * PITCH - (PITCH - H) + 2 * MARGIN + TITLE,
    )


def _title(members: Sequence[Node], size: tuple[int, int]) -> str:
    first, last = members[0].index, members[-1].index
    layers = f"layer {first}" if first == last else f"layers {span(first, last)}"
    return f"{shape(size)}, {layers}" if any(size) else layers


def _way(canvas: Canvas, node: Node, source: int) -> str:
    """The wire from layer ``source`` to ``node``, as an SVG path."""
    a, b = canvas.boxes[source], canvas.boxes[node.index]
    start, end = canvas.frames[source], canvas.frames[node.index]
    if start != end:
        return line(_between_panels(a, b, start, end))
    if a.x != b.x:
        return curve((a.right, a.cy), (b.x, b.cy), (22, 0), (-22, 0))
    if node.index == source + 1:
        return line([(a.cx, a.bottom), (b.cx, b.y)])
    bulge = min(26, 10 + (b.y - a.y) / 20)
    return curve((a.x, a.cy), (b.x, b.cy), (-bulge, 0), (-bulge, 0))


def _between_panels(a: Box, b: Box, start: Box, end: Box) -> list[Point]:
    """Along the gaps: out to the right of ``a``, in from the left of ``b``."""
    if start.y == end.y:  # side by side
        x = end.x - GAP / 2
        return [(a.right, a.cy), (x, a.cy), (x, b.cy), (b.x, b.cy)]
    right, left, y = a.right + MARGIN / 2, b.x - MARGIN / 2, end.y - GAP / 2
    return [(a.right, a.cy), (right, a.cy), (right, y), (left, y), (left, b.cy), (b.x, b.cy)]
