"""What a file is and what is in it: .cfg, .weights or .safetensors, as far as it can be known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import field
from math import prod
from pathlib import Path
from typing import Any, Literal

from converter.checkpoint import formats
from converter.checkpoint.checkpoint import Checkpoint, require_no_surplus
from converter.darknet import evidence
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.names import read_names
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.darknet.remark import Remark
from converter.diagnosis.architectures import Fit, fits
from converter.diagnosis.health import Anomaly, Survey
from converter.diagnosis.remarks import header_remarks
from converter.errors import CfgError, DarknetError, argument, require_text
from converter.families import native_naming
from converter.files import sniff
from converter.files.hashing import sha256_of
from converter.files.source import CHECKPOINT_SUFFIXES, Source, companion, file_errors_name, opened
from converter.identify import identify
from converter.identify_checkpoint import identify_checkpoint
from converter.notebook import Record
from converter.operations.unnamed import names_by_hash
from converter.options import FamilyChoice, PathLike
from converter.published import find_by_hash
from converter.records import dataclass

# What batch norm gathers rather than learns.
STATISTICS = ("rolling_mean", "rolling_variance")
HEADER = ("major", "minor", "revision", "seen", "size", "transpose")


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """One layer.

    Attributes:
        node: the layer in its place.
        parameters: learned values.
        statistics: means and variances of batch norm.
        multiply_adds: of its convolutions and matrices, for one picture.
        start, end: its bytes in a .weights file; equal if it has none.
    """

    node: Node
    parameters: int
    statistics: int
    multiply_adds: int
    start: int
    end: int

    def as_dict(self) -> dict[str, Any]:
        """One of the ``layers`` of ``info --json``."""
        layer = self.node.layer
        return {
            "index": self.node.index,
            "type": layer.type,
            "line": layer.line or None,
            **{option: getattr(layer, option, None) for option in ("filters", "size", "stride")},
            "sources": list(self.node.sources),
            "input": [_dimensions(shape) for shape in self.node.inputs],
            "output": _dimensions(self.node.output),
            "parameters": self.parameters,
            "statistics": self.statistics,
            "multiply_adds": self.multiply_adds,
            "bytes": [self.start, self.end],
        }


@dataclass(kw_only=True, repr=False)
class Info(Record):
    """What is known about a file; what is not is None or empty.

    Attributes:
        kind: which sort of file.
        path, size: where it is and its bytes.
        network: what it describes, or is read as.
        how: how that was found out.
        where: where in a PyTorch file the tensors are, if there is a choice.
        dialect, family: what it is read as.
        header: of the .weights file that it is, was or would become.
        rows: the layers.
        tensors: name, type and shape of a checkpoint's tensors.
        metadata: what a checkpoint says of itself.
        names: the classes.
        sha256: of a .weights file.
        published: the published file that it is, by its hash.
        fits: official cfgs that it can be of by its size, if it has no cfg.
        anomalies: values that no training gives; None if they were not looked at.
        problem: why it could not be read in full.
    """

    kind: Literal["cfg", "weights", "safetensors", "torch"]
    path: Path
    size: int
    network: Network | None = None
    how: str | None = None
    where: str | None = None
    dialect: DialectName = DEFAULT
    family: str | None = None
    header: Header | None = None
    rows: list[LayerInfo] = field(default_factory=list)
    tensors: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    names: list[str] | None = None
    sha256: str | None = None
    published: str | None = None
    fits: list[Fit] = field(default_factory=list)
    anomalies: tuple[Anomaly, ...] | None = None
    problem: DarknetError | None = None

    shown = (
        "kind", "path", "size", "how", "where", "family", "dialect", "network.classes", "sha256",
        "published", "problem",
    )  # fmt: skip

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What is unusual in the network's cfg, and in the header that the file has."""
        if not self.network:
            return ()
        if self.kind == "cfg" or not self.header:
            return self.network.remarks
        of_header = header_remarks(self.header, self.network, self.dialect)
        return (*self.network.remarks, *of_header)

    @property
    def heads(self) -> list[tuple[Node, AnchorHead]]:
        """The detection heads that have anchors."""
        nodes = self.network.nodes if self.network else ()
        return [(n, n.layer) for n in nodes if isinstance(n.layer, AnchorHead)]

    def as_dict(self) -> dict[str, Any]:
        """The object that ``info --json`` prints."""
        network, header = self.network, self.header
        found: tuple[Remark | Anomaly, ...] = (*self.remarks, *(self.anomalies or ()))
        return {
            "schema": 1,
            "kind": self.kind,
            "path": str(self.path),
            "size": self.size,
            "read_as": self.how,
            "where": self.where,
            "family": self.family,
            "dialect": self.dialect,
            "skipped": [
                {"line": option.line, "key": option.key}
                for option in (network.skipped if network else ())
            ],
            "header": header and {name: getattr(header, name) for name in HEADER},
            "input": _dimensions(network.input) if network else None,
            "classes": network.classes if network else None,
            "names": self.names,
            "heads": [
                {
                    "layer": node.index,
                    "classes": head.classes,
                    "output": _dimensions(node.output),
                    "anchors": [list(pair) for pair in head.sizes],
                }
                for node, head in self.heads
            ],
            "totals": {
                "layers": len(self.rows),
                "parameters": sum(row.parameters for row in self.rows),
                "statistics": sum(row.statistics for row in self.rows),
                "multiply_adds": sum(row.multiply_adds for row in self.rows),
                "bflops": 2e-9 * sum(row.multiply_adds for row in self.rows),
                "bytes": self.rows[-1].end if self.rows else None,
            },
            "layers": [row.as_dict() for row in self.rows],
            "tensors": {
                name: {"dtype": dtype, "shape": shape}
                for name, (dtype, shape) in self.tensors.items()
            },
            "metadata": {key: text for key, text in self.metadata.items() if key != "cfg"},
            "sha256": self.sha256,
            "published": self.published,
            "fits": [fit.as_dict() for fit in self.fits],
            "warnings": [each.as_dict() for each in found]
            if found or self.anomalies is not None
            else None,
            "problem": self.problem.as_dict() if self.problem else None,
        }


def describe(
    path: PathLike,
    *,
    cfg: PathLike | None = None,
    dialect: DialectName | None = None,
    family: FamilyChoice = "auto",
) -> Info:
    """All that can be found out about ``path``.

    Args:
        path: a .cfg, .weights, .safetensors, .pt or .pth file; known by its suffix, else .weights.
        cfg: the network; default: what a checkpoint says itself, or the .cfg beside a .weights
            file; else recognised by its size.
        dialect: whose darknet it is of; default: decided by the files.
        family: whose tensor names a checkpoint has that does not say it; "auto": what they show.

    Raises:
        DarknetError: it cannot be read, or is no such file.
    """
    require_text({"path": path, "family": family}, cfg=cfg, dialect=dialect)
    path = Path(path)
    if path.suffix == ".cfg":
        return _of_cfg(path, dialect)
    if path.suffix == ".names":
        raise CfgError(
            f"is a list of class names, {len(read_names(path, None))} of them",
            path=path,
            remedy=f"the .weights come first; {sniff.takers_of_names()} take it with"
            f" {argument('--names')}",
        )
    if path.suffix in CHECKPOINT_SUFFIXES:
        return _of_checkpoint(path, cfg, dialect, family)
    with opened(path) as source, file_errors_name(path):
        return _of_weights(source, cfg, dialect)


def _of_cfg(path: Path, dialect: DialectName | None) -> Info:
    network = evidence.read_as_known(path, dialect)
    wrote = network.dialect or DEFAULT
    info = Info(kind="cfg", path=path, size=path.stat().st_size, network=network, dialect=wrote)
    info.family = native_naming(network).family
    names = companion(path.with_suffix(""), ".names")
    if names:
        info.names = read_names(names, network.classes)
    info.header = Header.written_by(wrote)
    info.rows = list(_rows(network, wrote, info.header.size))
    return info


def _of_weights(source: Source, cfg: PathLike | None, wanted: DialectName | None) -> Info:
    header = Header.decode(source.head, wanted or DEFAULT)
    info = Info(kind="weights", path=source.path, size=source.size, header=header)
    info.sha256 = sha256_of(source)
    published = find_by_hash(info.sha256)
    info.published = published.file if published else None
    floats, rest = divmod(source.size - header.size, 4)
    if cfg is None and companion(source.path, ".cfg") is None and not rest:
        info.fits = fits(floats)
    try:
        _find_network(info, source, cfg, wanted)
    except DarknetError as error:
        info.problem = error
    return info


def _find_network(
    info: Info, source: Source, cfg: PathLike | None, wanted: DialectName | None
) -> None:
    known = identify(source, cfg, wanted)
    network, naming = known.network, native_naming(known.network)
    info.network, info.how, info.family = network, known.how, naming.family
    info.header, info.dialect = known.header, known.dialect
    info.rows = list(_rows(network, info.dialect, known.header.size))
    names = companion(source.path, ".names")
    if names:
        info.names = read_names(names, network.classes)
    else:
        info.names = names_by_hash(info.sha256 or "", network.classes)
    plan = known.plan(source, naming, partial=True)
    if plan.cutoff is not None:
        info.how += f", of which it holds the first {plan.cutoff} layers"
    info.anomalies = Survey(plan).complete(source)


def _of_checkpoint(
    path: Path, cfg: PathLike | None, dialect: DialectName | None, family: FamilyChoice
) -> Info:
    contents = formats.read(path)
    kind: Literal["safetensors", "torch"] = "torch" if formats.is_torch(path) else "safetensors"
    info = Info(kind=kind, path=path, size=path.stat().st_size)
    info.metadata, info.where = dict(contents.metadata), contents.where or None
    info.tensors = {
        name: (entry.dtype, list(entry.shape)) for name, entry in contents.entries.items()
    }
    try:
        stored, info.how = identify_checkpoint(contents, cfg, dialect, family)
        _follow(info, stored)
    except DarknetError as error:
        error.path = error.path or os.fspath(path)
        info.problem = error
    return info


def _follow(info: Info, stored: Checkpoint) -> None:
    plan = stored.plan
    info.network, info.header, info.dialect = plan.network, plan.header, plan.dialect
    info.family = plan.naming.family
    info.names = stored.class_names
    info.rows = list(_rows(plan.network, plan.dialect, plan.header.size))
    survey = Survey(plan)
    with stored.tensors() as tensors:
        require_no_surplus(stored.contents.names, plan)
        for slot in plan.tensors:
            tensors.require(slot)
            for values in tensors.in_file_order(slot):
                survey.observe(slot, values)
    info.anomalies = survey.findings()


def _rows(network: Network, dialect: DialectName, start: int) -> Iterator[LayerInfo]:
    for node in network.nodes:
        counts = {True: 0, False: 0}
        for array in node.layer.arrays(node.inputs, dialect):
            if array.on_disk:
                counts[array.kind.endswith(STATISTICS)] += prod(array.shape)
        end = start + 4 * sum(counts.values())
        yield LayerInfo(
            node=node,
            parameters=counts[False],
            statistics=counts[True],
            multiply_adds=node.layer.multiply_adds(node.inputs, dialect),
            start=start,
            end=end,
        )
        start = end


def _dimensions(shape: Any) -> list[int]:
    return [shape.c, shape.h, shape.w] if shape.is_image else [shape.outputs]
