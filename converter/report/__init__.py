"""The conversion report: one page that shows which bytes became which tensors, and their values.

HTML, Markdown and JSON show the same ``Report``, which follows from the Plan. A module may enter
that measures what the page shows, arranges it, or draws it; what is looked up belongs below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from converter.checkpoint.metadata import Metadata
from converter.errors import OutputError, UsageError, printable
from converter.files.target import Unfinished, require_other, resolved, write_whole
from converter.options import PathLike
from converter.plan import Plan
from converter.report.model import LayerError, Report
from converter.report.pages import WRITERS, require_jinja
from converter.report.values import survey


def write_report(
    plan: Plan,
    metadata: Metadata,
    source: PathLike,
    path: PathLike,
    *,
    verified: bool | None,
    parity: Iterable[tuple[int, float, float]] | None = None,
    agrees: bool | None = None,
    force: bool = False,
) -> Report:
    """Write the report of a conversion; the same input gives the same bytes.

    Args:
        plan: of the conversion.
        metadata: what the checkpoint says of itself.
        source: where values are read from: the .weights file, or the checkpoint, which lacks those
            of ``plan.left_out``.
        path: what to write; its suffix says in which format.
        verified: whether the checkpoint was compared with its .weights file and found equal; None
            if it was not compared.
        parity: (layer, largest absolute, relative) error of each layer that was run and compared
            with an engine's.
        agrees: whether those errors are within what is allowed; None if nothing was run.
        force: replace a file that is there and holds something else.

    Raises:
        UsageError, ExtraError, OutputError: as ``check_target``.
        WeightsError, CheckpointError: ``source`` cannot be read, or is not what ``plan`` is about.
        OutputError: ``path`` cannot be written.
    """
    target = Path(path)
    check_target(target, source)
    statistics, anomalies = survey(Path(source), plan, metadata.dtype)
    report = Report(
        name=printable(Path(source).name),
        plan=plan,
        metadata=metadata,
        verified=verified,
        statistics=statistics,
        anomalies=anomalies,
        parity=[LayerError(*row) for row in parity or ()],
        agrees=agrees,
    )
    # Names and cfg are a stranger's: what is no Unicode is shown as escapes.
    data = WRITERS[target.suffix](report).encode(errors="backslashreplace")
    write_whole(target, data, force=force)
    return report


def check_target(path: PathLike, *files: PathLike | None) -> None:
    """Refuse a report that cannot be written: before a long conversion, not after it.

    Raises:
        UsageError: there is no report in this format, or ``path`` is one of ``files``, which are
            read or written meanwhile.
        ExtraError: no jinja2.
        OutputError: there is no such folder, or no file can be made there.
    """
    target = Path(path)
    if target.suffix not in WRITERS:
        raise UsageError(
            "is no format of a report", path=path, remedy=f"end it with {', '.join(WRITERS)}"
        )
    if target.suffix != ".json":
        require_jinja()
    if not os.path.isdir(target.parent):
        raise OutputError("cannot be written: there is no such folder", path=path,
                          remedy="make it first")  # fmt: skip
    require_other(target, *files)
    try:
        Unfinished.make(resolved(target)).remove()
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", path=path, remedy="choose another output"
        ) from error
