"""The modular YOLOv3 drawn as its article draws it: backbone, neck and heads, a level a row.

The stages of the backbone that feed the neck stand one below the other, fine to coarse; beside
each, from left to right, its level's merge, lateral, fpn and tail convs and its head. The stages
before them share the rows above.
"""

from __future__ import annotations

from collections.abc import Sequence

from converter.darknet.layers.shortcut import Shortcut
from converter.darknet.nodes import Node
from converter.report.drawing import Box, Canvas, Cell, Drawing, Point, line
from converter.report.places import Place
from converter.report.text import shape

W, H, GAP = 40.0, 30.0, 5.0  # of a chip, and between the chips of a module
PITCH = H + 14  # from one line of chips to the next
MARGIN, TITLE = 8.0, 15.0  # of a panel
ROW_GAP = 24.0  # between rows of panels: room for two wires
COLUMN_GAP = 14.0
CAPTION = 26.0
WIDTH = 1106.0
PER_LINE = 4  # chips of the neck in a line
_FOUR = PER_LINE * (W + GAP) - GAP
_BLOCK = 3 * (W + GAP) - GAP
_TITLED = 3 * (W + GAP) - GAP  # least width of a stage's panel, for its title
_STAGE = W + 2 * COLUMN_GAP + 2 * _BLOCK

# The columns beside the backbone, with room for their titles.
_COLUMNS = {
    "merge_convs": _FOUR,
    "lateral_convs": 84.0,
    "fpn_convs": _FOUR,
    "tail_convs": 64.0,
    "heads": 2 * W + GAP,
}


def draw(nodes: Sequence[Node], places: Sequence[Place]) -> Drawing:
    """The drawing of a modular YOLOv3, or of its backbone alone."""
    stages = _stages(nodes, places)
    levels = _levels(nodes, places)
    canvas = Canvas(W, H)
    captions = [((0.0, CAPTION - 10), "Backbone")]
    shared = [cell for row, cell in stages.items() if row not in levels]
    y = canvas.shelve(shared, CAPTION, width=WIDTH, gap=(2 * COLUMN_GAP, ROW_GAP)) + ROW_GAP
    columns = _columns()
    if levels:
        y += CAPTION - ROW_GAP / 2
        captions.append(((columns["merge_convs"], y - 12), "Neck"))
        captions.append(((columns["heads"], y - 12), "Heads"))
    for row, cells in levels.items():
        stage = stages[row]
        tallest = max(stage.h, *(cell.h for cell in cells.values()))
        canvas.place(stage, 0, y + (tallest - stage.h) / 2)
        lane = y + (tallest - max(cell.h for cell in cells.values())) / 2
        for name, cell in cells.items():
            canvas.place(cell, columns[name], lane)
        y += tallest + ROW_GAP
    return Drawing(
        width=WIDTH,
        height=y - ROW_GAP + 2,
        captions=captions,
        panels=canvas.panels,
        chips={node.index: canvas.boxes[node.index] for node in nodes},
        wires=canvas.wires(nodes, lambda node, source: line(_way(canvas, node, source, places))),
    )


def _columns() -> dict[str, float]:
    """Where each column beside the backbone begins."""
    x = _STAGE + 2 * MARGIN + 2.5 * COLUMN_GAP
    found = {}
    for name, width in _COLUMNS.items():
        found[name] = x
        x += width + 2 * MARGIN + COLUMN_GAP
    return found


def _stages(nodes: Sequence[Node], places: Sequence[Place]) -> dict[int, Cell]:
    """The backbone's panels by row: the first conv of a stage, then its blocks, two in a line."""
    cells: dict[int, Cell] = {}
    rows = sorted({place.row for place in places if place.part == "backbone"})
    for row in rows:
        chips: dict[int, Point] = {}
        members = _members(nodes, places, "backbone", row)
        left = W + COLUMN_GAP if "in" in members else 0.0
        for cell, indices in members.items():
            x, y = 0.0, 0.0
            if cell.isdigit():
                x = left + int(cell) % 2 * (_BLOCK + COLUMN_GAP)
                y = int(cell) // 2 * PITCH
            chips |= {index: (x + i * (W + GAP), y) for i, index in enumerate(indices)}
        output = nodes[max(chips)].output
        names = {0: "stem", 1: "res_conv_1", 6: "fc"}
        name = names.get(row, f"conv_{row}_in, res_conv_{row}")
        cells[row] = _cell(f"{name} → {shape(output)}", "backbone", chips, _TITLED)
    return cells


def _levels(nodes: Sequence[Node], places: Sequence[Place]) -> dict[int, dict[str, Cell]]:
    """The panels of neck and heads by row and column."""
    rows = sorted({place.row for place in places if place.part == "neck"})
    return {
        row: {
            name: _cell(
                f"{name}.{level}",
                "heads" if name == "heads" else "neck",
                {
                    index: (i % PER_LINE * (W + GAP), i // PER_LINE * PITCH)
                    for i, index in enumerate(indices)
                },
                _COLUMNS[name],
            )
            for part in ("neck", "heads")
            for name, indices in _members(nodes, places, part, row).items()
        }
        for level, row in enumerate(rows)
    }


def _members(
    nodes: Sequence[Node], places: Sequence[Place], part: str, row: int
) -> dict[str, list[int]]:
    """The layers of each cell of one row."""
    cells: dict[str, list[int]] = {}
    for node, place in zip(nodes, places, strict=True):
        if (place.part, place.row) == (part, row):
            cells.setdefault(place.cell, []).append(node.index)
    return cells


def _cell(title: str, part: str, chips: dict[int, Point], width: float) -> Cell:
    """A cell around chips, which are in the middle of ``width`` if they are narrower."""
    across = max(x for x, _ in chips.values()) + W
    left = MARGIN + max(0, width - across) / 2
    return Cell(
        title=title,
        part=part,
        chips={index: (x + left, y + MARGIN + TITLE) for index, (x, y) in chips.items()},
        w=max(across, width) + 2 * MARGIN,
        h=max(y for _, y in chips.values()) + H + 2 * MARGIN + TITLE,
    )


def _way(canvas: Canvas, node: Node, source: int, places: Sequence[Place]) -> list[Point]:
    """The corners of the wire from layer ``source`` to ``node``."""
    a, b = canvas.boxes[source], canvas.boxes[node.index]
    start, end = canvas.frames[source], canvas.frames[node.index]
    if places[source].part != places[node.index].part == "neck":
        return _from_backbone(a, b, start, end)
    if isinstance(node.layer, Shortcut) and source != node.index - 1:
        x = canvas.boxes[source + 1].x - 4
        return [(x, b.cy), (x, b.y - 5), (b.cx, b.y - 5), (b.cx, b.y)]
    if start == end and source != node.index - 1:
        return _within(a, b)
    if a.cy == b.cy and a.right < b.x:
        return [(a.right, a.cy), (b.x, b.cy)]
    if end.bottom < start.y and b.x < a.x:  # up to the finer level
        x, y = start.right - 3, end.bottom + 8
        return [(a.right, a.cy), (x, a.cy), (x, y), (b.cx, y), (b.cx, b.bottom)]
    if a.right < b.x:  # to the next panel, but another line
        x = end.x - COLUMN_GAP / 2
        return [(a.right, a.cy), (x, a.cy), (x, b.cy), (b.x, b.cy)]
    right, left = a.right + 4, b.x - 4  # to the next line or row
    y = b.y - 9 if start == end else end.y - 7
    return [(a.right, a.cy), (right, a.cy), (right, y), (left, y), (left, b.cy), (b.x, b.cy)]


def _from_backbone(a: Box, b: Box, start: Box, end: Box) -> list[Point]:
    """From a stage to its level: into the lateral conv, or from above into the concatenation."""
    trunk = start.right + COLUMN_GAP
    if end.w < _COLUMNS["merge_convs"]:
        return [(a.right, a.cy), (trunk, a.cy), (trunk, b.cy), (b.x, b.cy)]
    y = end.y - 7
    return [(a.right, a.cy), (trunk, a.cy), (trunk, y), (b.cx, y), (b.cx, b.y)]


def _within(a: Box, b: Box) -> list[Point]:
    """Past the layers in between, inside one panel."""
    leave = [(a.cx, a.y), (a.cx, a.y - 5)]
    enter = [(b.cx, b.y - 5), (b.cx, b.y)]
    if a.y == b.y:
        return leave + enter
    return [*leave, (a.right + 3, a.y - 5), (a.right + 3, b.y - 5), *enter]
