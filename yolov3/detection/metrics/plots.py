"""Pictures of figures: precision over recall, and the confusion matrix. matplotlib draws them."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.errors import ExtraError, OutputError, install
from converter.files.opening import read_start
from converter.files.target import make_folder, write_whole
from converter.version import TOOL
from yolov3.detection.metrics.confusion import Confusion
from yolov3.detection.metrics.darknet_map import Curve
from yolov3.drawing.fonts import path_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 10  # curves that have a colour and a name: those of least area
MOST_CLASSES = 30  # in the matrix: more would not be read
LONGEST = 24  # of a class name, in characters
NAMES = ("precision_recall.png", "confusion.png")
_MARK = TOOL.split()[0].encode()  # stands in the head of what was drawn here

log = logging.getLogger("yolov3")


def require_folder(folder: Path) -> None:
    """Check that pictures can be drawn into ``folder``, before there is anything to draw.

    Raises:
        ExtraError: matplotlib is not installed.
        OutputError: it is no folder, and cannot be made one; or has such pictures of others.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ExtraError("drawing plots needs matplotlib", remedy=install("plots")) from None
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise OutputError("is no folder", path=folder, remedy="choose another with --plots")
    for path in (folder / name for name in NAMES):
        if os.path.lexists(path) and _MARK not in read_start(path, 1024):
            raise OutputError(
                "exists already, and was not drawn by this program",
                path=path,
                remedy="choose another folder with --plots",
            )
    make_folder(folder)


def draw_plots(
    folder: Path, curves: Sequence[Curve], confusion: Confusion, names: Sequence[str]
) -> list[Path]:
    """Draw ``NAMES`` into ``folder``, in place of those of an earlier run.

    Args:
        folder: where to.
        curves: of each class.
        confusion: how often which class was found for which.
        names: of the classes.

    Returns:
        The pictures.

    Raises:
        ExtraError, OutputError: as ``require_folder``; or writing failed.
    """
    require_folder(folder)
    import matplotlib

    shown = [name if len(name) <= LONGEST else name[:LONGEST] + "..." for name in names]
    # JSON and YAML may hold half a character, which cannot be drawn.
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in shown]
    drawn = [folder / name for name in NAMES]
    # No name is a formula: matplotlib would read what stands between two dollars as TeX.
    with (
        matplotlib.rc_context({"font.family": _families(shown), "text.parse_math": False}),
        warnings.catch_warnings(record=True) as met,
    ):
        warnings.simplefilter("always")
        figures = (_precision_recall(curves, shown), _confusion(confusion, shown))
        for path, figure in zip(drawn, figures, strict=True):
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=120, metadata={"Software": TOOL})
            write_whole(path, content.getvalue(), force=True)
    if any("missing from" in str(each.message) for each in met):  # a glyph, from the font
        log.warning("no font here has all characters of the class names: some are boxes")
    return drawn


def _families(names: Sequence[str]) -> list[str]:
    """The font of matplotlib, and those of this system that have the letters of ``names``."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    families = ["DejaVu Sans"]
    for path in dict.fromkeys(filter(None, map(path_for, names))):
        if os.fspath(path) not in (font.fname for font in manager.ttflist):
            manager.addfont(path)
        families.append(font_manager.FontProperties(fname=path).get_name())
    return families


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    """An empty picture in inches, and its axes. No window is opened: pyplot would."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _precision_recall(curves: Sequence[Curve], names: Sequence[str]) -> Figure:
    """The curve of each class; the ``MOST_NAMED`` of least area have a colour and their name."""
    figure, axes = _figure(8, 6)
    order = sorted((i for i, c in enumerate(curves) if len(c.recall)), key=lambda i: curves[i].area)
    for i in reversed(order):
        named = i in order[:MOST_NAMED]
        axes.step(
            [0, *curves[i].recall, curves[i].recall[-1]],
            [curves[i].precision[0], *curves[i].precision, 0],
            where="pre",
            color=None if named else "0.8",
            label=f"{names[i]} {curves[i].area:.3f}" if named else None,
        )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    least = f", the {MOST_NAMED} of least area named" if len(order) > MOST_NAMED else ""
    axes.set_title(f"IoU above 0.5, by Darknet's rule: area under the curve{least}", fontsize=10)
    if order:
        axes.legend(loc="lower left", fontsize=8)
    return figure


def _confusion(confusion: Confusion, names: Sequence[str]) -> Figure:
    """Rows are objects, columns what was found; the last of both is nothing."""
    mistakes: Counter[int] = Counter()
    for (truth, found), count in confusion.items():
        for label in (truth, found):
            if label is not None:
                mistakes[label] += count if truth != found else 0
    shown = [*sorted(label for label, _ in mistakes.most_common(MOST_CLASSES)), None]
    counts = np.array([[confusion[truth, found] for found in shown] for truth in shown])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 3 + 0.35 * len(shown)
    figure, axes = _figure(side + 1, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [names[label] if label is not None else "(nothing)" for label in shown]
    axes.set_xticks(range(len(shown)), labels)
    axes.set_yticks(range(len(shown)), labels)
    axes.tick_params(axis="x", labelrotation=90)
    for i, j in np.argwhere(counts).tolist():
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(j, i, counts[i, j], ha="center", va="center", color=colour, fontsize=7)
    axes.set(xlabel="found", ylabel="object")
    most = f", the {MOST_CLASSES} classes of most mistakes" if len(mistakes) > MOST_CLASSES else ""
    axes.set_title(f"IoU above 0.5{most}", fontsize=10)
    return figure
