"""``info``: what is in a file, as a table."""

from __future__ import annotations

import argparse
import codecs
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from converter.cli.output import print_json, print_table
from converter.cli.parser import CommandParser, add_flag, family_choice, require_cfg_out
from converter.darknet.cfg import MAX_CFG_BYTES, decode_cfg
from converter.darknet.dialects import DIALECTS
from converter.darknet.evidence import by_cfg
from converter.darknet.network import read_cfg
from converter.darknet.nodes import Node
from converter.diagnosis.remarks import each_once
from converter.errors import CfgError, NetworkError, UsageError, errors_name, printable, some
from converter.files.opening import read_small
from converter.files.target import require_other, write_whole
from converter.operations.info import Info, LayerInfo, describe
from converter.options import Silu

if TYPE_CHECKING:
    from converter.operations.match import Match

# The first eight with their widths; the last needs none.
_COLUMNS = "{:>{}}  {:{}}  {:>{}}  {:{}}  {:>{}} -> {:{}}  {:>{}}  {:>{}}  {}"


def make_parser(program: str) -> CommandParser:
    """The parser of ``info``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "FILE",
        "Show what a .cfg, .weights, .safetensors, .pt or .pth file is, layer by layer.\n\n"
        "What does not fit is shown as well: with a line 'problem:', and exit code 0.",
        (
            "yolov3.cfg",
            "yolov3.weights",
            "yolov3.safetensors --json",
            "yolov4.cfg --engines",
            "yolov4.cfg --cfg-out new.cfg --for hank-ai",
            "best.pth --match yolov4.weights --table-out names.json",
        ),
    )
    parser.add_argument(
        "file", metavar="FILE", help=".cfg, .weights, .safetensors, .pt or .pth file"
    )
    known = parser.add_argument_group("what FILE does not say")
    known.add_argument("--cfg", metavar="FILE", help="the network (default: beside .weights)")
    known.add_argument(
        "--dialect", choices=tuple(DIALECTS), help="whose darknet it is for (default: detected)"
    )
    parser.add_family_option("whose tensor names a checkpoint has, if it does not say")
    parser.add_cfg_out("write the network's cfg there, as --for takes it")
    engines = parser.add_argument_group("a cfg in engines")
    add_flag(
        engines, "--engines", "which of them, and OpenCV, run it, and whether as the same network"
    )
    engines.add_argument(
        "--silu", choices=get_args(Silu), help="what activation=silu means, for --cfg-out"
    )
    search = parser.add_argument_group("names of tensors, found by values")
    search.add_argument(
        "--match", metavar="WEIGHTS", help="find a checkpoint's by this file's values"
    )
    search.add_argument(
        "--table-out", metavar="FILE", help="write them, for --family-table (.json)"
    )
    output = parser.add_argument_group("output")
    add_flag(output, "--force", "replace an existing file")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print what is in the file; the exit code."""
    require_cfg_out(arguments)
    if arguments.table_out and not arguments.match:
        raise UsageError("--table-out is what --match finds", remedy="give both")
    if arguments.silu and not arguments.cfg_out:
        raise UsageError("--silu says what --cfg-out should write", remedy="give both")
    if arguments.match and (arguments.engines or arguments.cfg_out):
        raise UsageError("--match is a question of its own", remedy="ask one at a time")
    if arguments.match:
        return _match(arguments)
    if arguments.engines:
        return _compare(arguments)
    if arguments.cfg_out:
        return _rewrite(arguments)
    info = _describe(arguments)
    if arguments.json:
        print_json(info.as_dict())
        return 0
    for line in _facts(info, verbose=arguments.verbose):
        print(printable(line))
    print_table(_table(info))
    return 0


def _describe(arguments: argparse.Namespace) -> Info:
    return describe(
        arguments.file,
        cfg=arguments.cfg,
        dialect=arguments.dialect,
        family=family_choice(arguments),
    )


def _match(arguments: argparse.Namespace) -> int:
    """Print which tensor is which; the exit code: 1 if that is not known of some."""
    from converter.operations.match import match  # late: for those who ask for it

    if arguments.table_out:
        require_other(arguments.table_out, arguments.file, arguments.match, arguments.cfg)
    found = match(arguments.file, arguments.match, cfg=arguments.cfg, dialect=arguments.dialect)
    if arguments.table_out:
        data = json.dumps(found.table.as_dict(), indent=0, ensure_ascii=False).encode()
        write_whole(Path(arguments.table_out), data + b"\n", force=arguments.force)
    if arguments.json:
        print_json(found.as_dict())
    else:
        for line in _matched(found, arguments.table_out):
            print(printable(line))
    return 0 if found.complete else 1


def _matched(found: Match, table: str | None) -> Iterator[str]:
    if not table:
        yield from (f"{ours:32} {theirs}" for ours, theirs in found.table.tensors.items())
    for ours, theirs in found.ambiguous:
        yield f"ambiguous: {some(ours)} may be any of {some(theirs)}"
    if found.unmatched:
        yield f"without an equal tensor: {len(found.unmatched)}: {some(found.unmatched)}"
    if found.table.ignored:
        yield f"without an array: {len(found.table.ignored)}: {some(found.table.ignored)}"
    total = len(found.table.tensors) + sum(len(a) for a, _ in found.ambiguous)
    total += len(found.unmatched)
    where = f"{table}: " if table else ""
    yield f"{where}{len(found.table.tensors)} of {total} tensors found by their values"


def _compare(arguments: argparse.Namespace) -> int:
    """Print what each engine does with a cfg; the exit code."""
    from converter.diagnosis.engines import compare_engines  # late: for those who ask for it

    if arguments.cfg_out:
        raise UsageError("--engines and --cfg-out are two questions", remedy="ask one at a time")
    with errors_name(arguments.file, CfgError):
        engines = compare_engines(_text(arguments.file), arguments.dialect)
    if arguments.json:
        print_json({"schema": 1, **engines.as_dict()})
        return 0
    print(printable(f"{arguments.file}, compared with {DIALECTS[engines.reference].engine}:"))
    for name, verdict in engines.verdicts.items():
        print(f"{name:10}{verdict.answer}")
        for reason in verdict.reasons:
            print(printable(f"{'':10}line {reason.line}: {reason.text}"))
    return 0


def _text(file: str) -> str:
    """The text of a cfg, with the byte order mark that ``read_cfg`` drops and engines see.

    Raises:
        UsageError, CfgError: it is none.
    """
    if Path(file).suffix != ".cfg":
        raise UsageError("--engines is about a .cfg", remedy="give the cfg")
    data = read_small(file, MAX_CFG_BYTES, CfgError)
    return "\ufeff" * data.startswith(codecs.BOM_UTF8) + decode_cfg(data)


def _rewrite(arguments: argparse.Namespace) -> int:
    """Write a cfg as another engine takes it; the exit code."""
    from converter.operations.engine_cfg import cfg_for  # late: for those who ask for it

    if not arguments.engine:
        raise UsageError("--cfg-out needs an engine", remedy="say whose with --for")
    with errors_name(arguments.file, CfgError, NetworkError):
        if Path(arguments.file).suffix == ".cfg":
            text = read_cfg(arguments.file)
            dialect = arguments.dialect or by_cfg(text)
        else:
            info = _describe(arguments)
            if info.network is None:
                raise info.problem or UsageError("is of no known network", path=arguments.file)
            text, dialect = info.network.text, info.dialect
    data = cfg_for(arguments.engine, text, dialect, arguments.file, arguments.silu)
    require_other(arguments.cfg_out, arguments.file, arguments.cfg)
    write_whole(Path(arguments.cfg_out), data, force=arguments.force)
    facts = {"output": arguments.cfg_out, "engine": arguments.engine, "dialect": dialect}
    if arguments.json:
        print_json({"schema": 1, **facts})
    else:
        name = DIALECTS[arguments.engine].engine
        print(printable(f"{arguments.cfg_out}: the same network, as {name} takes it"))
    return 0


def _facts(info: Info, *, verbose: bool) -> Iterator[str]:
    kind = "PyTorch" if info.kind == "torch" else f".{info.kind}"
    yield f"{info.path}: {kind}, {info.size:,} bytes"
    if info.how:
        yield f"network: {info.how}"
    yield from (f"fits: {fit} ({fit.command})" for fit in info.fits)
    if info.where:
        yield f"tensors: {info.where}"
    if info.family:
        yield f"read as: {info.family}, {info.dialect}"
    header = info.header
    if header and info.kind != "cfg":
        flag = ", transposed matrices" if header.transpose else ""
        yield (
            f"header: version {header.version},"
            f" {header.seen:,} pictures seen, {header.size} bytes{flag}"
        )
    if info.sha256:
        known = f" ({info.published} as published)" if info.published else ""
        yield f"sha256: {info.sha256}{known}"
    for key in ("tool", "source_sha256", "dtype", "complete", "lossless"):
        if key in info.metadata:
            yield f"{key}: {info.metadata[key]}"
    yield from _skipped(info, verbose=verbose)
    yield from _classes(info)
    yield from _remarks(info)
    yield from _health(info)
    if info.rows:
        yield _totals(info)
    if info.problem:
        yield f"problem: {info.problem}"


def _health(info: Info) -> Iterator[str]:
    if info.anomalies is not None:
        yield from (
            f"warning: {anomaly.text}: no training gives that" for anomaly in info.anomalies
        )
        yield from () if info.anomalies else ("health: every value is plausible",)


def _skipped(info: Info, *, verbose: bool) -> Iterator[str]:
    skipped = info.network.skipped if info.network else ()
    if skipped:
        more = "" if verbose else " (-v lists them)"
        yield f"options that {DIALECTS[info.dialect].engine} does not read: {len(skipped)}{more}"
    for option in skipped if verbose else ():
        yield f"  line {option.line}: {option.key}={option.value}"


def _remarks(info: Info) -> Iterator[str]:
    for remark, text in each_once(info.remarks):
        yield f"{'warning' if remark.serious else 'note'}: {text}"


def _classes(info: Info) -> Iterator[str]:
    if info.network and info.network.classes is not None:
        yield f"classes: {info.network.classes}"
    if info.names:
        yield f"names: {', '.join(info.names)}"
    for node, head in info.heads:
        pairs = "  ".join(f"{w:g},{h:g}" for w, h in head.sizes)
        yield f"anchors of {node.place}: {pairs}"


def _table(info: Info) -> Iterator[str]:
    if info.rows:
        yield ""
        yield from _layers(info)
    elif info.tensors:
        yield ""
        for name, (dtype, shape) in info.tensors.items():
            yield f"{name:50} {dtype:5} {' x '.join(map(str, shape))}"


def _layers(info: Info) -> Iterator[str]:
    start = f"bytes (header: {info.header.size})" if info.header else "bytes"
    heading = ("layer", "type", "filters", "size", "input", "output", "parameters", "BFLOPs", start)
    rows = [heading, *map(_row, info.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        *pairs, (last, _) = zip(row, widths, strict=True)
        yield _COLUMNS.format(*chain.from_iterable(pairs), last)


def _totals(info: Info) -> str:
    total = info.as_dict()["totals"]
    return (
        f"{total['layers']} layers, {total['parameters']:,} parameters and"
        f" {total['statistics']:,} running statistics,"
        f" {total['bytes'] or 0:,} bytes with the header, {total['bflops']:.3f} BFLOPs"
        " (2 for each multiply-add, as darknet counts)"
    )


def _row(row: LayerInfo) -> tuple[str, ...]:
    node = row.node
    filters = getattr(node.layer, "filters", "")
    flops = f"{2e-9 * row.multiply_adds:.3f}" if row.multiply_adds else ""
    span = f"{row.start:,}-{row.end - 1:,}" if row.end > row.start else ""
    return (
        str(node.index),
        node.layer.type,
        str(filters) if isinstance(filters, int) else "/".join(map(str, filters)),
        _how(node),
        str(node.inputs[0]),
        str(node.output),
        f"{row.parameters:,}" if row.parameters else "",
        flops,
        span,
    )


def _how(node: Node) -> str:
    """Kernel and stride, or the layers that it reads if not the one before it."""
    if node.sources != (node.index - 1,):
        return "of " + ", ".join(map(str, node.sources))
    size, stride = getattr(node.layer, "size", None), getattr(node.layer, "stride", None)
    kernel = f"{size} x {size}" if isinstance(size, int) and size > 0 else ""
    return f"{kernel} / {stride}" if kernel and stride else kernel
