"""A picture of the network: boxes, chips (one a layer) and wires, in pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Literal

from converter.darknet.nodes import Node
from converter.records import dataclass

Point = tuple[float, float]

SHEET = 50  # layers


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle from its upper left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.h

    @property
    def cx(self) -> float:
        """Its middle, across."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """Its middle, down."""
        return self.y + self.h / 2


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A box around chips; ``part`` is its colour, ``title`` stands in its upper left corner."""

    box: Box
    title: str
    part: str


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A connection as an SVG path. ``skip`` if it leads past the layers in between."""

    path: str
    kind: Literal["flow", "skip"] = "flow"
    source: int
    target: int

    @property
    def sheet(self) -> int | None:
        """Number of the sheet that both ends are on; None if they are on two."""
        sheet = self.target // SHEET
        return sheet if self.source // SHEET == sheet else None


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Neighbouring layers of a long picture, which a browser lays out when it has time."""

    chips: Mapping[int, Box]
    wires: Sequence[Wire]

    @property
    def top(self) -> float:
        """Upper edge of the highest chip."""
        return min(box.y for box in self.chips.values())

    @property
    def height(self) -> float:
        """From there to the lower edge of the lowest."""
        return max(box.bottom for box in self.chips.values()) - self.top


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The whole picture.

    Attributes:
        width, height: of all.
        captions: headings, each with the point where its text starts.
        panels, chips: the boxes, those of chips by layer.
        wires: between chips.
        wide: whether a chip has room for a line of text, else for two short ones.
    """

    width: float
    height: float
    captions: Sequence[tuple[Point, str]] = ()
    panels: Sequence[Panel]
    chips: Mapping[int, Box]
    wires: Sequence[Wire]
    wide: bool = False

    @property
    def sheets(self) -> list[Sheet]:
        """All chips, with the wires that stay on one sheet."""
        inner: dict[int | None, list[Wire]] = {}
        for wire in self.wires:
            inner.setdefault(wire.sheet, []).append(wire)
        return [
            Sheet(chips=dict(chips), wires=inner.get(number, ()))
            for number, chips in groupby(self.chips.items(), lambda chip: chip[0] // SHEET)
        ]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A panel to be placed: the chips' offsets from its upper left corner, and its size."""

    title: str
    part: str = ""
    chips: Mapping[int, Point]
    w: float
    h: float


class Canvas:
    """What has been placed so far.

    Attributes:
        w, h: of a chip.
        boxes: the chip of each layer.
        frames: the panel around it.
        panels: all of them.
    """

    def __init__(self, w: float, h: float) -> None:
        self.w, self.h = w, h
        self.boxes: dict[int, Box] = {}
        self.frames: dict[int, Box] = {}
        self.panels: list[Panel] = []

    def place(self, cell: Cell, x: float, y: float) -> None:
        """Add a cell, its upper left corner at (x, y)."""
        frame = Box(x=x, y=y, w=cell.w, h=cell.h)
        self.panels.append(Panel(box=frame, title=cell.title, part=cell.part))
        for index, (dx, dy) in cell.chips.items():
            self.boxes[index] = Box(x=x + dx, y=y + dy, w=self.w, h=self.h)
            self.frames[index] = frame

    def shelve(self, cells: Iterable[Cell], y: float, *, width: float, gap: Point) -> float:
        """Add cells side by side, as many as fit; ``gap`` is that across and down.

        Returns:
            Where the lowest row ends.
        """
        x, tallest = 0.0, 0.0
        for cell in cells:
            if x + cell.w > width:
                x, y, tallest = 0.0, y + tallest + gap[1], 0.0
            self.place(cell, x, y)
            x, tallest = x + cell.w + gap[0], max(tallest, cell.h)
        return y + tallest

    def wires(self, nodes: Sequence[Node], way: Callable[[Node, int], str]) -> list[Wire]:
        """A wire from each source of each of ``nodes``; ``way`` gives its path."""
        return [
            Wire(
                path=way(node, source),
                kind="flow" if source == node.index - 1 else "skip",
                source=source,
                target=node.index,
            )
            for node in nodes
            for source in node.sources
            if source >= 0
        ]


def number(value: float) -> str:
    """A coordinate: at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def line(points: Sequence[Point], radius: float = 5) -> str:
    """An SVG path along horizontal and vertical lines, its corners rounded."""
    corners = [points[0], *(b for a, b in pairwise(points) if a != b)]
    path = f"M{_xy(corners[0])}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        bend = min(radius, _length(before, corner) / 2, _length(corner, after) / 2)
        into, out = _towards(corner, before, bend), _towards(corner, after, bend)
        path += f"L{_xy(into)}Q{_xy(corner)} {_xy(out)}"
    return f"{path}L{_xy(corners[-1])}"


def curve(start: Point, end: Point, out: Point, into: Point) -> str:
    """A cubic from ``start`` to ``end``, its handles given as offsets from them."""
    first = (start[0] + out[0], start[1] + out[1])
    second = (end[0] + into[0], end[1] + into[1])
    return f"M{_xy(start)}C{_xy(first)} {_xy(second)} {_xy(end)}"


def _xy(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, distance: float) -> Point:
    length = _length(a, b) or 1
    return (a[0] + (b[0] - a[0]) * distance / length, a[1] + (b[1] - a[1]) * distance / length)
