"""What a report says in words: the verdict, notices and facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from converter.records import dataclass
from converter.report.model import Report
from converter.report.text import shape


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether to trust the checkpoint: ``open`` if it was not compared."""

    level: Literal["ok", "bad", "open"]
    title: str
    text: str


def verdict(report: Report) -> Verdict:
    """The report's first sentence."""
    text = _compared(report) + _errors_text(report)
    if report.verified is False:
        return Verdict(level="bad", title="Different", text=text)
    if report.agrees is False:
        return Verdict(level="bad", title="Outputs differ", text=text)
    if report.verified is None:
        return Verdict(level="open", title="Not compared", text=text)
    return Verdict(level="ok", title="Verified", text=text)


def facts(report: Report) -> list[tuple[str, str]]:
    """Terms with their values."""
    plan, meta = report.plan, report.metadata
    header = plan.header
    found = [
        ("Values read from", report.name),
        ("Size of the .weights file", f"{plan.size:,} bytes"),
        (
            "Header",
            f"version {header.version}, {header.seen:,} pictures seen, {header.size} bytes",
        ),
        ("Read as", f"{meta.family}, {meta.dialect}"),
        (
            "Network",
            f"{len(plan.network.nodes)} layers, picture {shape(plan.network.input)}",
        ),
        ("Tensors", f"{len(plan.tensors):,}, {report.floats:,} floats"),
        ("Classes", "none" if meta.classes is None else str(meta.classes)),
        ("Values", meta.dtype),
        ("Back to .weights", _way_back(report)),
    ]
    if meta.source_sha256:
        found.append(("SHA-256 of the .weights file", meta.source_sha256))
    return found


def _way_back(report: Report) -> str:
    if report.plan.left_out:
        return "no: arrays were left out"
    if report.metadata.dtype != "float32":
        return "no: values were rounded"
    return "byte for byte" if report.plan.exact else "by rule, byte for byte unless it lost some"


def _compared(report: Report) -> str:
    if report.verified is None:
        return (
            "This report did not compare any values: verify.py compares a checkpoint with its"
            " .weights file."
        )
    if not report.verified:
        return "The checkpoint does not hold what its .weights file holds."
    bits = "bit for bit those of the .weights file"
    if any(slot.rule for slot in report.plan.tensors):
        bits = "those of the .weights file, changed by the rules of their scheme"
    elif report.metadata.dtype != "float32":
        bits = f"those of the .weights file, rounded to {report.metadata.dtype}"
    return f"All {report.floats:,} floats of the checkpoint are {bits}."


def _errors_text(report: Report) -> str:
    worst = report.worst
    if worst is None:
        return ""
    count = len(report.parity)
    layers = f"{count} layers were" if count != 1 else "1 layer was"
    how = {True: " That is close enough.", False: " That is too much.", None: ""}[report.agrees]
    return (
        f" {layers} run and compared with an engine's: the largest difference is"
        f" {worst.max_abs:.2g}, at layer {worst.layer}.{how}"
    )


def notices(report: Report) -> Iterator[str]:
    """What a user must know before using the checkpoint."""
    plan, meta = report.plan, report.metadata
    if plan.left_out:
        yield (
            f"This is no working detector: {len(plan.left_out)} arrays of the file have no place in"
            f" the article's wiring, and {len(plan.unfilled)} tensors of the model have no source."
        )
    elif plan.cutoff is not None:
        yield (
            f"The file ends after layer {plan.cutoff - 1} of {len(plan.network.nodes) - 1}:"
            f" {len(plan.unfilled)} tensors of the model have no source."
        )
    elif plan.unfilled:
        yield f"{len(plan.unfilled)} tensors of the model have no source in the file."
    if meta.assumed:
        yield (
            f"There was no cfg: {meta.assumed.get('architecture', 'the network')} was recognised by"
            " the number of floats. Anchors and picture size are assumed to be as published."
        )
    ruled = Counter(str(slot.rule) for slot in plan.tensors if slot.rule)
    for rule, count in ruled.items():
        yield f"{count} tensors hold other values than the file, by rule: {rule}."
    for anomaly in report.anomalies:
        yield f"{anomaly.text}: no training gives that."
