"""One conversion: the parts put together."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from converter.checkpoint import formats, payload
from converter.checkpoint.changes import Change, changes
from converter.checkpoint.dtypes import WIDTHS
from converter.checkpoint.header import make_head, read_head
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.names import is_built_in, read_names
from converter.darknet.network import Network
from converter.darknet.remark import Remark
from converter.diagnosis import health, remarks
from converter.diagnosis.health import Anomaly, Survey
from converter.errors import CheckpointError, OutputError, WeightsError
from converter.families import name_layers, native_naming
from converter.families.base import Naming
from converter.files.hashing import Hashing, sha256_of
from converter.files.portable import read_at
from converter.files.source import TORCH_SUFFIXES, Source, companion
from converter.files.target import (
    is_written,
    remove_leftovers,
    replacing,
    require_other,
    write_whole,
)
from converter.identify import Identity, explaining, identify
from converter.options import DialectChoice, Dtype, FamilyChoice, PathLike
from converter.plan import Plan, make_plan
from converter.version import TOOL

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True)
class Conversion:
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
    """What is read from where to where, and how."""

    source: Source
    hashing: Hashing
    target: Path
    family: FamilyChoice
    dialect: DialectChoice
    partial: bool
    dtype: Dtype
    force: bool
    verify: bool
    strict: bool
    names_encoding: str | None = None
    cfg_out: PathLike | None = None
    engine: DialectName | None = None
    assumed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = [self.source.path]
        self.remarks: tuple[Remark, ...] = ()
        self.possible_names: list[list[str]] = []  # one of them, if its hash says so
        self.names_by_hash: dict[str, list[str] | None] = {}
        self.least_head = 0  # in bytes
        self.changes: tuple[Change, ...] = ()

    def run(self, cfg: PathLike | None, names: PathLike | None, *, dry_run: bool) -> Conversion:
        """Plan, write, check.

        Raises:
            DarknetError: the reason why it was refused; nothing was changed.
        """
        known = identify(self.source, cfg, None if self.dialect == "auto" else self.dialect)
        if known.cfg is not None:
            self.inputs.append(known.cfg)
        if cfg is None:
            log.info("network: %s", known.how)
        if known.warning:
            log.warning("%s", known.warning)
        if known.doubt:
            log.info("%s", known.doubt)
        of_header = remarks.header_remarks(known.header, known.network, known.dialect)
        remarks.report(known.network.remarks, strict=self.strict, path=known.cfg)
        remarks.report_skipped(known.network, known.dialect)
        remarks.report(of_header, strict=self.strict, path=self.source.path)
        self.remarks = (*known.network.remarks, *of_header)
        self.assumed = dict(known.assumed)
        plan = self._plan(known)
        meta = Metadata.of(
            plan,
            tool=TOOL,
            sha256="",
            dtype=self.dtype,
            names=self._names(names, known.network),
            assumed=self.assumed,
        )
        for possible in self.possible_names:
            head = self._head(plan, replace(meta, names=possible, source_sha256="0" * 64))
            self.least_head = max(self.least_head, len(head))
        survey = Survey(plan)
        cfg_text = self._cfg(plan)
        if dry_run:
            return self._dry_run(plan, meta, survey)
        if os.path.lexists(self.target):
            require_other(self.target, *self.inputs)
            current = self._hashed(meta, self.hashing.result())
            if self._is_current(plan, current, survey):
                anomalies = self._examine(survey)
                remove_leftovers(self.target)
                self._write_cfg(cfg_text)
                return self._done("up to date", plan, current, anomalies, verified=True)
            if not self.force:
                raise OutputError(
                    "exists already, and is not this conversion",
                    path=self.target,
                    remedy="replace it with --force, or choose another output with -o",
                )
        done = self._write(plan, meta, survey)
        self._write_cfg(cfg_text)
        return done

    def _dry_run(self, plan: Plan, meta: Metadata, survey: Survey) -> Conversion:
        if self.possible_names:
            meta = replace(self._hashed(meta, self.hashing.result()), source_sha256="")
        return self._done("dry run", plan, meta, self._examine(survey), verified=False)

    def _cfg(self, plan: Plan) -> bytes:
        """The cfg for another engine, refused before anything is written."""
        if self.cfg_out is None or self.engine is None:
            return b""
        from converter.operations.engine_cfg import cfg_for  # late: for those who ask for it

        text = cfg_for(self.engine, plan.network.text, plan.dialect, self.source.path)
        require_other(self.cfg_out, *self.inputs, self.target)
        is_written(Path(self.cfg_out), text, force=self.force)
        return text

    def _write_cfg(self, text: bytes) -> None:
        if self.cfg_out is not None:
            write_whole(Path(self.cfg_out), text, force=self.force)

    def _plan(self, known: Identity) -> Plan:
        """Where everything goes, and what is to be said of that."""
        with explaining(self.source):
            plan = make_plan(
                header=known.header,
                size=self.source.size,
                network=known.network,
                naming=_choose_names(known.network, self.family),
                dialect=known.dialect,
                partial=self.partial,
            )
        _report_gaps(plan)
        self.changes = changes(self.source, plan)
        for change in filter(lambda change: change.changed, self.changes):
            log.info("%s", change)
        if plan.naming.note:
            log.warning("%s", plan.naming.note)
            self.remarks = (*self.remarks, Remark(text=plan.naming.note, serious=False))
        return plan

    def _examine(self, survey: Survey) -> tuple[Anomaly, ...]:
        """What the values have that no training gives: returned, or refused.

        Without verification only what a recognised file must have is looked at.
        """
        wrong = health.negative_variance(self.source, survey.plan) if self.assumed else None
        if wrong:
            raise WeightsError(
                f"has the size of {self.assumed['architecture']}, but not its contents: where that"
                " has variances, this has negative values",
                place=f"byte {wrong.offset}",
                remedy="give its cfg with --cfg, or download it again",
            )
        if not (self.verify or self.strict):
            return ()
        anomalies = survey.complete(self.source)
        health.report(anomalies, strict=self.strict)
        return anomalies

    def _names(self, names: PathLike | None, network: Network) -> list[str] | None:
        path = Path(names) if names is not None else companion(self.source.path, ".names")
        if path is None:
            from converter.operations import unnamed  # late: only without names

            self.possible_names = unnamed.possible_names(self.source.size, network.classes)
            if not self.possible_names:
                unnamed.suggest(self.source.path, network.classes)
            return None
        if not is_built_in(path):
            self.inputs.append(path)
        if names is None:
            log.info("class names: %s, found beside the weights", path)
        return read_names(path, network.classes, self.names_encoding)

    def _is_current(self, plan: Plan, meta: Metadata, survey: Survey) -> bool:
        try:
            if not self.torch and read_head(self.target) != self._head(plan, meta):
                return False
            return self._compared(plan, self.target, survey).ok
        except CheckpointError:
            return False

    @property
    def torch(self) -> bool:
        """Whether a file of PyTorch's is asked for."""
        return self.target.suffix in TORCH_SUFFIXES

    def _write(self, plan: Plan, meta: Metadata, survey: Survey) -> Conversion:
        if self.torch:
            return self._write_torch(plan, meta, survey)
        blank = self._head(plan, replace(meta, source_sha256="0" * 64))
        size = len(blank) + WIDTHS[self.dtype] * sum(slot.floats for slot in plan.tensors)
        error = 0.0
        with replacing(self.target, size) as file, self._hashing(file, plan, len(blank)) as hashing:
            file.write(blank)
            file.flush()
            if self.dtype == "float32":
                payload.write(self.source, plan, file, len(blank), hashing.reached)
            else:
                error = payload.write_rounded(self.source, plan, file, len(blank), self.dtype)
            if self.verify:
                self._require_equal(plan, Path(file.name), survey)
            meta = self._hashed(meta, hashing.result())
            if (
                self.verify
                and hashing is self.hashing
                and sha256_of(self.source) != meta.source_sha256
            ):
                raise self.source.changed()
            file.seek(0)
            file.write(self._head(plan, meta))
            file.flush()
            if read_head(file.name) != self._head(plan, meta):
                raise _unlike(self.target, "its header")
            self.source.require_unchanged()
            anomalies = self._examine(survey)
        return self._done("converted", plan, meta, anomalies, verified=self.verify, max_error=error)

    def _write_torch(self, plan: Plan, meta: Metadata, survey: Survey) -> Conversion:
        from converter.checkpoint.torch_writer import write_state_dict  # late: seldom needed

        with replacing(self.target, plan.size) as file:
            write_state_dict(self.source, plan, file)
            file.flush()
            if self.verify:
                self._require_equal(plan, Path(file.name), survey)
            meta = self._hashed(meta, self.hashing.begin().result())
            self.source.require_unchanged()
            anomalies = self._examine(survey)
        return self._done("converted", plan, meta, anomalies, verified=self.verify)

    def _hashed(self, meta: Metadata, digest: str) -> Metadata:
        """``meta`` with the hash, and with the class names if it is that of a published file."""
        meta = replace(meta, source_sha256=digest)
        if not self.possible_names:
            return meta
        if digest not in self.names_by_hash:
            from converter.operations.unnamed import find_names

            self.names_by_hash[digest] = find_names(digest, self.source.path, meta.classes)
        return replace(meta, names=self.names_by_hash[digest])

    def _head(self, plan: Plan, meta: Metadata) -> bytes:
        """What precedes the values: with room for the class names, if the hash may bring them."""
        tensors = ((slot.tensor, slot.shape) for slot in plan.tensors)
        return make_head(tensors, meta.encode(), meta.dtype, least=self.least_head)

    def _hashing(self, file: IO[bytes], plan: Plan, start: int) -> Hashing:
        """The hash of the .weights file.

        If the checkpoint holds all its bytes as they are, it is that of what is written, so that it
        is true whatever becomes of the source meanwhile; they are compared anyway.
        """
        if not (self.verify and plan.verbatim and self.dtype == "float32"):
            return self.hashing.begin()

        def read_into(view: memoryview, offset: int) -> None:
            read_at(file.fileno(), view, offset)

        end = start + plan.size - plan.header.size
        prefix = plan.header.encode()
        return Hashing(read_into, end, start=start, prefix=prefix, growing=True).begin()

    def _require_equal(self, plan: Plan, written: Path, survey: Survey) -> None:
        found = self._compared(plan, written, survey)
        self.source.require_unchanged()
        if not found.ok:
            raise _unlike(self.target, ", ".join(found.mismatched[:3]))

    def _compared(self, plan: Plan, written: Path, survey: Survey) -> payload.Comparison:
        with formats.open_tensors(written, self.dtype) as tensors:
            return payload.compare(self.source, plan, tensors, survey.observe)

    def _done(
        self,
        status: Literal["converted", "up to date", "dry run"],
        plan: Plan,
        meta: Metadata,
        anomalies: tuple[Anomaly, ...],
        *,
        verified: bool,
        max_error: float = 0.0,
    ) -> Conversion:
        return Conversion(
            status=status,
            output=self.target,
            plan=plan,
            metadata=meta,
            verified=verified,
            max_error=max_error,
            changes=self.changes,
            warnings=(*self.remarks, *anomalies),
        )


def _unlike(target: Path, what: str) -> OutputError:
    return OutputError(
        f"does not hold what was written to it: {what}", path=target, remedy="check the disk"
    )


def _choose_names(network: Network, choice: FamilyChoice) -> Naming:
    if choice != "auto":
        return name_layers(network, choice)
    naming = native_naming(network)
    if naming.reason:
        log.info("family: %s, since the network %s", naming.family, naming.reason)
    return naming


def _report_gaps(plan: Plan) -> None:
    if plan.left_out:
        log.warning(
            "this is no working detector: %d arrays of the file have no place in the article's"
            " wiring, and %d tensors of the model have no source",
            len(plan.left_out),
            len(plan.unfilled),
        )
    elif plan.unfilled:
        log.warning("%d tensors of the model have no source in the file", len(plan.unfilled))
    record = DIALECTS[plan.dialect]
    if plan.cutoff is not None and record.whole_files:
        log.warning("%s does not load a file that ends before its network", record.engine)
