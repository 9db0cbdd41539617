"""One conversion: the parts put together."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from converter.checkpoint import payload
from converter.checkpoint.dtypes import WIDTHS, Dtype
from converter.checkpoint.header import make_head, read_head
from converter.checkpoint.metadata import Metadata
from converter.darknet import evidence
from converter.darknet.cfg import parse_cfg
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, read_cfg, read_layers, read_network
from converter.darknet.remark import Remark
from converter.diagnosis import health, remarks
from converter.diagnosis.health import Oddity, Survey
from converter.errors import CheckpointError, NetworkError, OutputError, WeightsError
from converter.families import name_layers, native_naming
from converter.families.base import Naming
from converter.files.hashing import Hashing
from converter.files.source import Source, companion, read_names
from converter.files.target import remove_leftovers, replacing, require_other
from converter.operations.convert import DialectChoice, FamilyChoice, PathLike
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
        warnings: what is to be said of cfg and header, and values that no training gives.
    """

    status: Literal["converted", "up to date", "dry run"]
    output: Path | str
    plan: Plan
    metadata: Metadata
    verified: bool
    max_error: float = 0.0
    warnings: tuple[Remark | Oddity, ...] = ()

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
    assumed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = [self.source.path]
        self.remarks: tuple[Remark, ...] = ()

    def run(self, cfg: PathLike | None, names: PathLike | None, *, dry_run: bool) -> Conversion:
        """Plan, write, check.

        Raises:
            DarknetError: the reason why it was refused; nothing was changed.
        """
        header, network, dialect = self._read_as(cfg)
        plan = make_plan(
            header=header,
            size=self.source.size,
            network=network,
            naming=_choose_names(network, self.family),
            dialect=dialect,
            partial=self.partial,
            source=self.source,
        )
        _tell_gaps(plan)
        meta = Metadata.of(
            plan,
            tool=TOOL,
            sha256="",
            dtype=self.dtype,
            classes=network.classes,
            names=self._names(names, network),
            assumed=self.assumed,
        )
        survey = Survey(plan)
        if dry_run:
            return self._done("dry run", plan, meta, self._examine(survey), verified=False)
        if os.path.lexists(self.target):
            require_other(self.target, *self.inputs)
            current = _with_hash(meta, self.hashing.result())
            if self._is_current(plan, current, survey):
                oddities = self._examine(survey)
                remove_leftovers(self.target)
                return self._done("up to date", plan, current, oddities, verified=True)
            if not self.force:
                raise OutputError(
                    "exists already, and is not this conversion",
                    path=self.target,
                    remedy="replace it with --force, or choose another output with -o",
                )
        return self._write(plan, meta, survey)

    def _read_as(self, cfg: PathLike | None) -> tuple[Header, Network, DialectName]:
        """Which network this file is, by its cfg, else by its size; and whose darknet's."""
        path = Path(cfg) if cfg is not None else companion(self.source.path, ".cfg")
        wanted = None if self.dialect == "auto" else self.dialect
        if path is None:
            first = wanted or DEFAULT
            network = self._recognise(Header.decode(self.source.head, first), first)
        else:
            network = self._read_cfg(path)
            if cfg is None:
                log.info("network: %s, found beside the weights", path)
        choice = evidence.choose(network, self.source.head, self.source.size, wanted)
        if choice.warning:
            log.warning("%s", choice.warning)
        header = Header.decode(self.source.head, choice.dialect)
        of_header = remarks.header_remarks(header, network, choice.dialect)
        remarks.report(of_header, strict=self.strict)
        self.remarks = (*network.remarks, *of_header)
        return header, network, choice.dialect

    def _read_cfg(self, path: Path) -> Network:
        self.inputs.append(path)
        try:
            network = read_network(path)
        except NetworkError as error:
            # late: a cfg that fits together needs no explanation
            from converter.diagnosis.explain import explain_heads

            layers = read_layers(parse_cfg(read_cfg(path)))
            raise explain_heads(error, *layers, self.source) from error
        remarks.report(network.remarks, strict=self.strict, path=path)
        return network

    def _recognise(self, header: Header, dialect: DialectName) -> Network:
        from converter.diagnosis.architectures import recognise  # late: only without a cfg

        floats, rest = divmod(self.source.size - header.size, 4)
        readings = [] if rest else recognise(floats)
        if len(readings) > 1:
            raise WeightsError(
                f"can be {' or '.join(map(str, readings))} by its size",
                remedy="give its cfg with --cfg",
            )
        if not readings:
            # late: a file that is recognised needs no explanation
            from converter.diagnosis.explain import explain_unknown

            raise explain_unknown(header, dialect, self.source)
        reading = readings[0]
        self.assumed = reading.assumed
        log.info(
            "network: %s, recognised by the %s floats of the file; anchors and input size (%s) are"
            " assumed to be as published",
            reading,
            f"{floats:,}",
            reading.architecture.size,
        )
        return reading.network

    def _examine(self, survey: Survey) -> tuple[Oddity, ...]:
        """What the values have that no training gives: told, or refused.

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
        oddities = survey.complete(self.source)
        health.report(oddities, strict=self.strict)
        return oddities

    def _names(self, names: PathLike | None, network: Network) -> list[str] | None:
        path = Path(names) if names is not None else companion(self.source.path, ".names")
        if path is None:
            return None
        self.inputs.append(path)
        if names is None:
            log.info("class names: %s, found beside the weights", path)
        return read_names(path, network.classes)

    def _is_current(self, plan: Plan, meta: Metadata, survey: Survey) -> bool:
        try:
            if read_head(self.target) != _head(plan, meta):
                return False
            return payload.compare(self.source, plan, self.target, self.dtype, survey.observe).ok
        except CheckpointError:
            return False

    def _write(self, plan: Plan, meta: Metadata, survey: Survey) -> Conversion:
        if self.verify or self.strict:
            # Looking at the values needs numpy, whose import takes as long as half of the hashing:
            # do both at once.
            Thread(target=import_module, args=("numpy",), daemon=True).start()
        blank = _head(plan, _with_hash(meta, "0" * 64))
        size = len(blank) + WIDTHS[self.dtype] * sum(slot.floats for slot in plan.tensors)
        error = 0.0
        with replacing(self.target, size) as file:
            file.write(blank)
            file.flush()
            if self.dtype == "float32":
                payload.write(self.source, plan, file, len(blank))
            else:
                error = payload.write_rounded(self.source, plan, file, len(blank), self.dtype)
            if self.verify:
                self._need_equal(plan, Path(file.name), survey)
            meta = _with_hash(meta, self.hashing.result())
            file.seek(0)
            file.write(_head(plan, meta))
            file.flush()
            if read_head(file.name) != _head(plan, meta):
                raise _unlike(self.target, "its header")
            self.source.need_unchanged()
            oddities = self._examine(survey)
        return self._done("converted", plan, meta, oddities, verified=self.verify, max_error=error)

    def _need_equal(self, plan: Plan, written: Path, survey: Survey) -> None:
        found = payload.compare(self.source, plan, written, self.dtype, survey.observe)
        self.source.need_unchanged()
        if not found.ok:
            raise _unlike(self.target, ", ".join(found.mismatched[:3]))

    def _done(
        self,
        status: Literal["converted", "up to date", "dry run"],
        plan: Plan,
        meta: Metadata,
        oddities: tuple[Oddity, ...],
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
            warnings=(*self.remarks, *oddities),
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


def _tell_gaps(plan: Plan) -> None:
    if plan.left_out:
        log.warning(
            "this is no working detector: %d arrays of the file have no place in the article's"
            " wiring, and %d tensors of the model have no source",
            len(plan.left_out),
            len(plan.unfilled),
        )
    elif plan.unfilled:
        log.warning("%d tensors of the model have no source in the file", len(plan.unfilled))


def _with_hash(meta: Metadata, digest: str) -> Metadata:
    return replace(meta, source_sha256=digest)


def _head(plan: Plan, meta: Metadata) -> bytes:
    tensors = ((slot.tensor, slot.shape) for slot in plan.tensors)
    return make_head(tensors, meta.encode(), meta.dtype)
