"""The geometry of the other pictures: histograms, the byte map, the error of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil, floor, isfinite, log10

from converter.plan import Plan
from converter.records import dataclass
from converter.report.drawing import number
from converter.report.model import LayerError

HISTOGRAM_HEIGHT = 16

# The byte map: the file in so many lines of equal length, as text is.
MAP_LINES, MAP_WIDTH, MAP_PITCH, MAP_HEIGHT = 16, 1000, 18, 15


def histogram(counts: Sequence[int]) -> str:
    """An SVG path in a box of ``BINS`` x ``HISTOGRAM_HEIGHT``; the fullest bin is as high as it."""
    top = max(counts) or 1
    heights = groupby(counts, lambda count: round(HISTOGRAM_HEIGHT * (1 - count / top), 1))
    steps = (f"V{number(height)}h{len(list(run))}" for height, run in heights)
    return f"M0 {HISTOGRAM_HEIGHT}{''.join(steps)}V{HISTOGRAM_HEIGHT}z"


@dataclass(frozen=True, kw_only=True)
class ByteMap:
    """A whole file, to scale.

    Attributes:
        stretches: in file order each layer, -1 for the header, and its bytes as an SVG path.
        labels: the first byte of each line.
        line: bytes in a line; the last line may have fewer.
    """

    stretches: Sequence[tuple[int, str]]
    labels: Sequence[int]
    line: int

    @property
    def top(self) -> float:
        """Where the picture begins: half a gap above the first line, as below the last."""
        return (MAP_HEIGHT - MAP_PITCH) / 2

    @property
    def height(self) -> int:
        """Of the picture, which is ``MAP_WIDTH`` wide."""
        return len(self.labels) * MAP_PITCH


def byte_map(plan: Plan) -> ByteMap:
    """Where the bytes of each layer lie in the file."""
    length = ceil(plan.size / MAP_LINES)
    stretches = [(-1, _bars(0, plan.header.size, length))]
    for layer, slots in groupby(plan.slots, lambda slot: slot.node.index):
        members = list(slots)
        stretches.append((layer, _bars(members[0].offset, members[-1].end, length)))
    return ByteMap(
        stretches=[(layer, "".join(bars)) for layer, bars in stretches],
        labels=range(0, plan.size, length),
        line=length,
    )


def _bars(begin: int, end: int, length: int) -> Iterator[str]:
    """Rectangles for the bytes from ``begin`` to ``end``, one on each line that they touch."""
    scale = MAP_WIDTH / length
    while begin < end:
        row = begin // length
        stop = min(end, (row + 1) * length)
        x, width = (begin - row * length) * scale, (stop - begin) * scale
        # Small widths must not become zero.
        yield f"M{number(x)} {row * MAP_PITCH}h{width:.6g}v{MAP_HEIGHT}h-{width:.6g}z"
        begin = stop


@dataclass(frozen=True, kw_only=True)
class ErrorPlot:
    """Errors by layer on a logarithmic scale; exact zeros lie on the lowest line.

    Attributes:
        marks: each layer, its x, and the y of its absolute and of its relative error from the top,
            None for one that is not finite.
        ticks: heights of the decades with their labels.
        width, height: of the plot.
    """

    marks: Sequence[tuple[int, float, float | None, float | None]]
    ticks: Sequence[tuple[float, str]]
    width: float
    height: float


def error_plot(rows: Sequence[LayerError], layers: int) -> ErrorPlot:
    """The plot of ``rows`` for a network of so many layers."""
    width, height = 1000.0, 200.0
    values = [abs(v) for row in rows for v in row[1:] if isfinite(v) and v]
    low = floor(log10(min(values))) if values else -8
    high = max(ceil(log10(max(values))), low + 1) if values else 0
    decade = height / (high - low + 1)  # one more below, for the zeros

    def y(value: float) -> float | None:
        if not isfinite(value):
            return None
        return height - decade * (log10(abs(value)) - low + 1) if value else height

    ticks = [(height - decade * (power - low + 1), f"1e{power}") for power in range(low, high + 1)]
    step = width / max(1, layers)
    return ErrorPlot(
        marks=[
            (row.layer, (row.layer + 0.5) * step, y(row.max_abs), y(row.relative)) for row in rows
        ],
        ticks=[*ticks, (height, "0")],
        width=width,
        height=height,
    )
