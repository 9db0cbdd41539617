"""A .weights file before its values go anywhere: what it is, where everything lies, and remarks."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.checkpoint.changes import Change, changes
from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.names import is_built_in, read_names
from converter.darknet.network import Network
from converter.darknet.remark import Remark
from converter.diagnosis import health, remarks
from converter.diagnosis.health import Anomaly, Survey
from converter.errors import WeightsError, argument
from converter.families import name_layers, native_naming
from converter.families.base import Naming
from converter.files.source import Source, companion
from converter.identify import identify
from converter.options import Dtype, FamilyChoice, PathLike
from converter.plan import Plan
from converter.records import dataclass
from converter.version import TOOL

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A .weights file whose network is known.

    Attributes:
        source: the open file.
        plan: which of its bytes are which tensors.
        names: of its classes, if known.
        possible_names: one of them it has if its hash is a published file's; () if ``names`` says.
        assumed: what is taken for granted of a network that was recognised.
        inputs: the files that say all that: it, its cfg, its names.
        remarks: what is unusual in cfg and header.
        changes: what the rules of another port's scheme do to its values.
    """

    source: Source
    plan: Plan
    names: list[str] | None
    possible_names: tuple[list[str], ...]
    assumed: Mapping[str, Any]
    inputs: tuple[Path, ...]
    remarks: tuple[Remark, ...]
    changes: tuple[Change, ...]

    def metadata(self, sha256: str = "", dtype: Dtype = "float32") -> Metadata:
        """What a checkpoint of it says of itself; ``sha256``, the file's, may bring class names.

        Raises:
            CheckpointError: the network has another number of classes than there are names.
        """
        names = self.names
        if self.possible_names:
            from converter.operations.unnamed import names_by_hash  # late: seldom needed

            names = names_by_hash(sha256, self.plan.network.classes)
        return Metadata.of(
            self.plan,
            tool=TOOL,
            sha256=sha256,
            dtype=dtype,
            names=names,
            assumed=dict(self.assumed),
        )

    def report_names(self, claims: Metadata) -> None:
        """Log which class names the hash has brought, or what they could be."""
        if self.possible_names:
            from converter.operations import unnamed  # late: seldom needed

            unnamed.report(claims.names, self.source.path, claims.classes, self.source.size)

    def examine(
        self, survey: Survey, *, whole: bool = True, strict: bool = False
    ) -> tuple[Anomaly, ...]:
        """What the values have that no training gives: returned, or refused.

        Args:
            survey: of the plan, which may have seen some of the values.
            whole: look at all values, not at those only that a recognised file must have.
            strict: refuse what is found.

        Raises:
            WeightsError: they are not those of the network that was recognised, or ``strict``.
        """
        wrong = health.negative_variance(self.source, survey.plan) if self.assumed else None
        if wrong:
            raise WeightsError(
                f"has the size of {self.assumed['architecture']}, but not its contents: where that"
                " has variances, this has negative values",
                place=f"byte {wrong.offset}",
                remedy=f"give its cfg with {argument('--cfg')}, or download it again",
            )
        if not whole:
            return ()
        anomalies = survey.complete(self.source)
        health.report(anomalies, strict=strict)
        return anomalies


def read_weights(
    source: Source,
    cfg: PathLike | None = None,
    names: PathLike | None = None,
    *,
    family: FamilyChoice = "auto",
    dialect: DialectName | None = None,
    partial: bool = False,
    strict: bool = False,
    names_encoding: str | None = None,
) -> Weights:
    """What ``source`` is; what was found out, and what is unusual, is logged.

    Args:
        source: the open file.
        cfg: its network; default: the .cfg beside it, else recognised by its size.
        names: its class names, one a line, or a built-in list; default: the .names beside it, else
            those of the published file that it is.
        family: the scheme of its tensors' names; "auto": ours.
        dialect: whose engine wrote it; default: decided by its size, cfg and header.
        partial: accept a file that ends after one of the network's layers.
        strict: refuse what is serious.
        names_encoding: of ``names``, by Python's name; default: UTF-8.

    Raises:
        DarknetError: the reason why it cannot be used.
    """
    known = identify(source, cfg, dialect)
    inputs = [source.path, *([known.cfg] if known.cfg is not None else [])]
    if cfg is None:
        log.info("network: %s", known.how)
    if known.warning:
        log.warning("%s", known.warning)
    if known.doubt:
        log.info("%s", known.doubt)
    of_header = remarks.header_remarks(known.header, known.network, known.dialect)
    remarks.report(known.network.remarks, strict=strict, path=known.cfg)
    remarks.report_skipped(known.network, known.dialect)
    remarks.report(of_header, strict=strict, path=source.path)
    naming = _choose_names(known.network, family)
    table = os.fspath(family).endswith(".json")
    given = {
        "--dialect": dialect,
        "--family-table" if table else "--family": None if family == "auto" else family,
        "--names": names,
        "--names-encoding": names_encoding,
    }
    plan = known.plan(source, naming, partial=partial, given=given)
    _report_gaps(plan)
    changed = changes(source, plan)
    for change in filter(lambda change: change.changed, changed):
        log.info("%s", change)
    found = [*known.network.remarks, *of_header]
    if plan.naming.note:
        log.warning("%s", plan.naming.note)
        found.append(Remark(text=plan.naming.note, serious=False))
    class_names, possible_names = None, tuple[list[str], ...]()
    names_path = companion(source.path, ".names") if names is None else Path(names)
    if names_path is None:
        from converter.operations.unnamed import possible_names_of  # late: only without names

        possible_names = possible_names_of(source.path, known.network.classes, source.size)
    else:
        if names is None:
            log.info("class names: %s, found beside the weights", names_path)
        if not is_built_in(names_path):
            inputs.append(names_path)
        class_names = read_names(names_path, known.network.classes, names_encoding)
    return Weights(
        source=source,
        plan=plan,
        names=class_names,
        possible_names=possible_names,
        assumed=known.assumed,
        inputs=tuple(inputs),
        remarks=tuple(found),
        changes=changed,
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
