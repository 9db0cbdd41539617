"""One conversion: the parts put together."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

from converter.checkpoint import formats, payload
from converter.checkpoint.changes import Change
from converter.checkpoint.dtypes import WIDTHS
from converter.checkpoint.header import make_head, read_head
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DialectName
from converter.darknet.remark import Remark
from converter.diagnosis.health import Anomaly, Survey
from converter.errors import CheckpointError, OutputError
from converter.files.hashing import Hashing, sha256_of
from converter.files.portable import read_at
from converter.files.source import TORCH_SUFFIXES
from converter.files.target import (
    another,
    is_written,
    remove_leftovers,
    replacing,
    require_other,
    write_whole,
)
from converter.notebook import Record
from converter.operations.weights import Weights
from converter.options import Dtype, PathLike
from converter.plan import Plan
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class Conversion(Record):
    """What ``convert`` did.

    Attributes:
        status: "converted", "up to date" (the output was there already) or "dry run".
        output: the checkpoint; its URL if it was written to one.
        plan: which bytes went where.
        metadata: what the checkpoint says of itself.
        verified: whether the written file was read back and found equal.
        max_error: largest absolute rounding error, for a smaller type than float32.
        changes: what the rules of another port's scheme did to the values.
        warnings: what is unusual in cfg and header, and values that no training gives.
    """

    status: Literal["converted", "up to date", "dry run"]
    output: Path | str
    plan: Plan
    metadata: Metadata
    verified: bool
    max_error: float = 0.0
    changes: tuple[Change, ...] = ()
    warnings: tuple[Remark | Anomaly, ...] = ()

    shown = (
        "status", "output", "plan", "metadata.family", "metadata.dialect", "metadata.classes",
        "metadata.dtype", "metadata.complete", "verified", "max_error",
    )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The object that ``convert --json`` prints."""
        plan, meta = self.plan, self.metadata
        return {
            "schema": 1,
            "status": self.status,
            "output": str(self.output),
            "family": meta.family,
            "dialect": meta.dialect,
            "classes": meta.classes,
            "names": meta.names,
            "tensors": len(plan.tensors),
            "floats": sum(slot.floats for slot in plan.tensors),
            "source_sha256": meta.source_sha256 or None,
            "verified": self.verified,
            "dtype": meta.dtype,
            "max_error": self.max_error,
            "changes": [change.as_dict() for change in self.changes],
            "assumed": meta.assumed,
            "header": {
                name: getattr(meta.header, name) for name in ("major", "minor", "revision", "seen")
            },
            "complete": meta.complete,
            "cutoff": meta.cutoff,
            "left_out": [slot.label for slot in plan.left_out],
            "unfilled": list(plan.unfilled),
            "warnings": [warning.as_dict() for warning in self.warnings],
        }


@dataclass(kw_only=True)
class Job:
    """What is written of which file, where, and how."""

    weights: Weights
    hashing: Hashing
    target: Path
    dtype: Dtype
    force: bool
    verify: bool
    strict: bool
    cfg_out: PathLike | None
    engine: DialectName | None
    least_head: int = 0  # in bytes: room for class names that only the hash may bring
    _end: int = 0  # of what is written so far

    def __post_init__(self) -> None:
        self.source, self.plan = self.weights.source, self.weights.plan
        self.survey = Survey(self.plan)

    def run(self, *, dry_run: bool) -> Conversion:
        """Check, write, check.

        Raises:
            DarknetError: the reason why it was refused; nothing was changed.
        """
        meta = self.weights.metadata(dtype=self.dtype)
        for possible in self.weights.possible_names:
            head = self._head(replace(meta, names=possible, source_sha256="0" * 64))
            self.least_head = max(self.least_head, len(head))
        cfg_text = self._cfg()
        if dry_run:
            if self.weights.possible_names:
                known = self.weights.metadata(self.hashing.result(), self.dtype)
                meta = replace(meta, names=known.names)
            return self._done("dry run", meta, self._examine(), verified=False)
        if os.path.lexists(self.target):
            require_other(self.target, *self.weights.inputs)
            current = self.weights.metadata(self.hashing.result(), self.dtype)
            if self._is_current(current):
                anomalies = self._examine()
                remove_leftovers(self.target)
                self._write_cfg(cfg_text)
                return self._done("up to date", current, anomalies, verified=True)
            if not self.force:
                raise another(self.target)
        done = self._write_torch() if self.torch else self._write(meta)
        self._write_cfg(cfg_text)
        return done

    def _cfg(self) -> bytes:
        """The cfg for another engine, refused before anything is written."""
        if self.cfg_out is None or self.engine is None:
            return b""
        from converter.operations.engine_cfg import cfg_for  # late: for those who ask for it

        text = cfg_for(self.engine, self.plan.network.text, self.plan.dialect, self.source.path)
        require_other(self.cfg_out, *self.weights.inputs, self.target)
        is_written(Path(self.cfg_out), text, force=self.force)
        return text

    def _write_cfg(self, text: bytes) -> None:
        if self.cfg_out is not None:
            write_whole(Path(self.cfg_out), text, force=self.force)

    def _examine(self) -> tuple[Anomaly, ...]:
        """What the values have that no training gives.

        Without verification only what a recognised file must have is looked at.
        """
        whole = self.verify or self.strict
        return self.weights.examine(self.survey, whole=whole, strict=self.strict)

    def _is_current(self, meta: Metadata) -> bool:
        with suppress(CheckpointError):
            same_head = self.torch or read_head(self.target) == self._head(meta)
            return same_head and self._compared(self.target).ok
        return False

    @property
    def torch(self) -> bool:
        """Whether a file of PyTorch's is asked for."""
        return self.target.suffix in TORCH_SUFFIXES

    def _write(self, meta: Metadata) -> Conversion:
        plan = self.plan
        blank = self._head(replace(meta, source_sha256="0" * 64))
        size = len(blank) + WIDTHS[self.dtype] * sum(slot.floats for slot in plan.tensors)
        error = 0.0
        with replacing(self.target, size) as file, self._hashing(file, len(blank)) as hashing:
            file.write(blank)
            file.flush()
            hashing.begin()
            if self.dtype == "float32":
                payload.write(self.source, plan, file, len(blank), self._reach)
            else:
                error = payload.write_rounded(self.source, plan, file, len(blank), self.dtype)
            self._reach(size)
            meta = self._checked(Path(file.name), hashing)
            head = self._head(meta)
            file.seek(0)
            file.write(head)
            file.flush()
            if read_head(file.name) != head:
                raise _unlike(self.target, "its header")
            self.source.require_unchanged()
            anomalies = self._examine()
        return self._done("converted", meta, anomalies, verified=self.verify, max_error=error)

    def _write_torch(self) -> Conversion:
        from converter.checkpoint.torch_writer import write_state_dict  # late: seldom needed

        with replacing(self.target, self.plan.size) as file:
            write_state_dict(self.source, self.plan, file)
            file.flush()
            meta = self._checked(Path(file.name), self.hashing)
            self.source.require_unchanged()
            anomalies = self._examine()
        return self._done("converted", meta, anomalies, verified=self.verify)

    def _head(self, meta: Metadata) -> bytes:
        """What precedes the values."""
        tensors = ((slot.tensor, slot.shape) for slot in self.plan.tensors)
        return make_head(tensors, meta.encode(), meta.dtype, least=self.least_head)

    def _reach(self, end: int) -> None:
        self._end = end

    def _hashing(self, file: IO[bytes], start: int) -> Hashing:
        """The hash of the .weights file.

        If the checkpoint holds all its bytes as they are, it is that of what is written, so that it
        is true whatever becomes of the source meanwhile; they are compared anyway.
        """
        if not (self.verify and self.plan.verbatim and self.dtype == "float32"):
            return self.hashing.begin()

        def read_into(view: memoryview, offset: int) -> None:
            if read_at(file.fileno(), view, offset) < len(view):
                raise _unlike(self.target, "it became shorter")

        return Hashing(
            read_into,
            start + self.plan.size - self.plan.header.size,
            start=start,
            prefix=self.plan.header.encode(),
            first=_import_reader,
            grown=lambda: self._end,
        )

    def _checked(self, written: Path, hashing: Hashing) -> Metadata:
        """What the source is, whose values are in ``written``.

        A hash of the source itself is computed at the latest beside the comparison and again after
        it, so that a change between reading and hashing is noticed.
        """
        hashing.begin()
        if self.verify:
            found = self._compared(written)
            self.source.require_unchanged()
            if not found.ok:
                raise _unlike(self.target, ", ".join(found.mismatched[:3]))
        sha256 = hashing.result()
        if self.verify and hashing is self.hashing and sha256_of(self.source) != sha256:
            raise self.source.changed()
        return self.weights.metadata(sha256, self.dtype)

    def _compared(self, written: Path) -> payload.Comparison:
        with formats.open_tensors(written, self.dtype) as tensors:
            return payload.compare(self.source, self.plan, tensors, self.survey.observe)

    def _done(
        self,
        status: Literal["converted", "up to date", "dry run"],
        meta: Metadata,
        anomalies: tuple[Anomaly, ...],
        *,
        verified: bool,
        max_error: float = 0.0,
    ) -> Conversion:
        self.weights.report_names(meta)
        return Conversion(
            status=status,
            output=self.target,
            plan=self.plan,
            metadata=meta,
            verified=verified,
            max_error=max_error,
            changes=self.weights.changes,
            warnings=(*self.weights.remarks, *anomalies),
        )


def _import_reader() -> None:
    """Import what reads a checkpoint, while Python has nothing else to do.

    In a third thread it would take its time from copying: two cores are what there is.
    """
    with suppress(ImportError):  # whoever reads will say so
        import numpy as np  # noqa: F401
        import safetensors  # noqa: F401


def _unlike(target: Path, what: str) -> OutputError:
    return OutputError(
        f"does not hold what was written to it: {what}", path=target, remedy="check the disk"
    )
