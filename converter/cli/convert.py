"""``convert``: .weights to .safetensors, and back.

What only some calls need is imported when they need it: a conversion should start in a blink.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from converter.checkpoint.dtypes import DTYPES
from converter.cli.output import StatusLine, print_error, print_json, print_plan
from converter.cli.parser import (
    CommandParser,
    add_cfg_and_names,
    add_flag,
    family_choice,
    positive_int,
    require_cfg_out,
    require_without,
)
from converter.darknet.dialects import DEFAULT
from converter.errors import DarknetError, UsageError, command, printable
from converter.files import remote
from converter.files.source import CHECKPOINT_SUFFIXES, WEIGHTS_SUFFIXES, is_weights_name
from converter.files.target import is_folder, make_folder
from converter.operations.convert import convert, default_output
from converter.operations.sources import export_line, find_sources
from converter.options import DialectChoice

if TYPE_CHECKING:
    from converter.operations.batch import Result
    from converter.operations.conversion import Conversion
    from converter.operations.revert import Reversion


def make_parser(program: str) -> CommandParser:
    """The parser of ``convert``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "SOURCE [SOURCE ...]",
        "Convert Darknet .weights to safetensors, or back, and check every float.",
        (
            "yolov3.weights",
            "yolov4.weights --cfg yolov4.cfg -o v4.safetensors",
            "yolov4.cfg yolov4.weights v4.safetensors",
            "darknet53.conv.74 --dry-run",
            "yolov3.safetensors -o back.weights",
            "yolov3.weights --family mmdet -o mmdet.pth",
            "trained.pt --cfg yolov3.cfg -o trained.weights",
            "weights/ 'more/*.weights' -o converted",
        ),
    )
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help=".weights or .backup files, folders, patterns, URLs; one .safetensors, .pt or .pth to"
        " go back; of one file also its .cfg, and the new file last",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", metavar="OUT", help="file to write, or folder (default: beside SOURCE)"
    )
    output.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="round to a smaller type (lossy)"
    )
    output.add_argument(
        "--report", metavar="FILE", help="also show the mapping as a page (.html, .md, .json)"
    )
    add_flag(output, "--dry-run", "print the plan, write nothing")
    add_flag(output, "--force", "replace an existing output")
    output.add_argument(
        "-j", "--jobs", metavar="N", type=positive_int, default=os.cpu_count() or 1,
        help="processes for several files (default: one a core)",
    )  # fmt: skip
    file = parser.add_argument_group("what the file is")
    add_cfg_and_names(file, "beside .weights, else of the published file that it is")
    file.add_argument(
        "--dialect",
        choices=get_args(DialectChoice),
        default="auto",
        help="whose darknet wrote the file",
    )
    add_flag(file, "--partial", "accept a file that ends after some layer")
    file.add_argument(
        "--max-download", metavar="BYTES", type=positive_int, default=remote.MAX_DOWNLOAD,
        help="of a URL whose server does not say how large it is (default: 4 GiB)",
    )  # fmt: skip
    parser.add_family_option(
        "tensor names: of the modular YOLOv3, of the article's own wiring, layers.N, or those of"
        " another port",
    )
    parser.add_cfg_out("also write the network's cfg there: going back, or with --for")
    checks = parser.add_argument_group("checks")
    add_flag(checks, "--strict", "refuse values that no training gives")
    add_flag(checks, "--no-verify", "do not read the output back")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Convert what the arguments name; the exit code."""
    require_cfg_out(arguments)
    sources = find_sources(arguments.sources)
    if sources == arguments.sources:
        sources = arguments.sources = _by_position(sources, arguments)
    if len(sources) > 1 or sources != arguments.sources:
        return _convert_many(sources, arguments)
    if arguments.output is None or not is_folder(arguments.output):
        return _convert_one(sources[0], arguments)
    folder = arguments.output
    back = sources[0].endswith(CHECKPOINT_SUFFIXES)
    name = Path(sources[0]).with_suffix(".weights") if back else default_output(sources[0])
    arguments.output = remote.in_folder(folder, name.name)
    if arguments.dry_run or remote.is_url(folder):
        return _convert_one(sources[0], arguments)
    with _new_folder(Path(folder)):
        return _convert_one(sources[0], arguments)


def _by_position(sources: list[str], arguments: argparse.Namespace) -> list[str]:
    """The sources in ``[CFG] SOURCE [OUT]``, as other converters take them; the rest into options.

    Raises:
        UsageError: OUT is there, and would be replaced; it may be meant as a source.
    """
    cfgs = [name for name in sources if name.endswith(".cfg")]
    source, *more = [name for name in sources if name not in cfgs] or sources
    if len(cfgs) > 1 or (cfgs and arguments.cfg) or len(more) > 1 or os.path.isdir(source):
        return sources
    if more:
        ends = WEIGHTS_SUFFIXES if source.endswith(CHECKPOINT_SUFFIXES) else CHECKPOINT_SUFFIXES
        if arguments.output or not more[0].endswith(ends):
            return sources
        if arguments.force and os.path.lexists(more[0]):
            cfg = ("--cfg", cfgs[0]) if cfgs else ()
            raise UsageError(
                "is there already: an output is named with -o if it is to be replaced",
                path=more[0],
                remedy=command("convert", source, *cfg, "-o", more[0], "--force"),
            )
        arguments.output = more[0]
    if cfgs and source != cfgs[0]:
        arguments.cfg = cfgs[0]
    return [source]


def _require_inputs(sources: list[str], arguments: argparse.Namespace) -> None:
    """Refuse a last source that is not there and has no input's name: OUT may be meant.

    Raises:
        UsageError: naming the call that writes it.
    """
    cfgs = [name for name in sources if name.endswith(".cfg")]
    *others, last = [name for name in sources if name not in cfgs] or sources
    if arguments.output or not others or remote.is_url(last) or os.path.lexists(last):
        return
    if last.endswith(CHECKPOINT_SUFFIXES) or is_weights_name(Path(last)):
        return
    cfg = arguments.cfg or next(iter(cfgs), None)
    line = export_line(others[0], last, cfg)
    if len(others) > 1:
        remedy = "check the path; a folder for outputs is named with -o"
    elif line:
        remedy = f"write it with: {line}"
    else:
        end = ".weights" if others[0].endswith(CHECKPOINT_SUFFIXES) else ".safetensors"
        target = last if is_folder(last) else str(Path(last).with_suffix(end))
        line = command("convert", *others, *(("--cfg", cfg) if cfg else ()), "-o", target)
        remedy = f"check the path; an output is named with -o: {line}"
    raise UsageError("no such file", path=last, remedy=remedy)


def _convert_one(source: str, arguments: argparse.Namespace) -> int:
    if source.endswith(CHECKPOINT_SUFFIXES):
        again = (arguments.output or "").endswith(CHECKPOINT_SUFFIXES)
        return (_rename if again else _revert)(source, arguments)
    if arguments.report:
        from converter.report import check_target

        written = arguments.output or default_output(source)
        if remote.is_url(source) and remote.is_url(written):
            raise UsageError("--report needs a local file to read", remedy="write to a local file")
        check_target(arguments.report, source, written, arguments.cfg, arguments.names)
    result = convert(source, arguments.output, **_options(arguments, *_FORTH, *_CFG_OUT))
    if arguments.report:
        _report(result, source, arguments)
    _print(result, _summary(result.as_dict()), arguments)
    return 0


# What is written into a checkpoint; what converting takes besides; what a cfg for an engine is.
_INTO = ("names", "names_encoding", "dtype", "strict")
_FORTH = (*_INTO, "partial", "max_download")
_CFG_OUT = ("cfg_out", "engine")


def _options(arguments: argparse.Namespace, *more: str) -> dict[str, Any]:
    """The options that convert, revert and rename take, and ``more``."""
    return {
        "cfg": arguments.cfg,
        "family": family_choice(arguments),
        "dialect": arguments.dialect,
        "verify": not arguments.no_verify,
        "dry_run": arguments.dry_run,
        "force": arguments.force,
        **{name: getattr(arguments, name) for name in more},
    }


def _report(result: Conversion, source: str, arguments: argparse.Namespace) -> None:
    from converter.report import write_report

    write_report(
        result.plan,
        result.metadata,
        result.output if remote.is_url(source) else source,
        arguments.report,
        verified=result.verified or None,
        force=arguments.force,
    )


def _print(result: Conversion | Reversion, summary: str, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(result.as_dict())
        return
    if arguments.dry_run:
        print_plan(result.plan.slots)
    print(printable(summary))


def _convert_many(sources: list[str], arguments: argparse.Namespace) -> int:
    from converter.operations.batch import convert_many

    _require_inputs(sources, arguments)
    for option, given in {"--report": arguments.report, "--cfg-out": arguments.cfg_out}.items():
        if given:
            raise UsageError(f"{option} is for one file at a time")
    if any(source.endswith(CHECKPOINT_SUFFIXES) for source in sources):
        raise UsageError("checkpoints are converted one at a time", remedy="give one of them")
    results: dict[str, Result] = {}
    with StatusLine(quiet=arguments.quiet) as line:
        options = _options(arguments, *_FORTH)
        for result in convert_many(sources, arguments.output, workers=arguments.jobs, **options):
            results[result.source] = result
            line.clear()
            _print_result(result, arguments)
            line.show(f"{len(results)} of {len(sources)} files")
    refused = sum(not result.ok for result in results.values())
    if arguments.json:
        print_json({"schema": 1, "results": [dict(results[s].facts) for s in sources]})
    else:
        print(f"{len(sources) - refused} of {len(sources)} files converted, {refused} refused")
    return 1 if refused else 0


def _print_result(result: Result, arguments: argparse.Namespace) -> None:
    for text in () if arguments.quiet else result.messages:
        print(printable(f"{result.source}: {text}"), file=sys.stderr)
    if not result.ok:
        error = DarknetError(**{k: v for k, v in result.facts["error"].items() if k != "type"})
        print_error(error)
    elif not arguments.json:
        print(printable(_summary(result.facts)))


@contextmanager
def _new_folder(path: Path) -> Iterator[None]:
    """A folder that is there while the block runs, and does not stay if that fails."""
    there = path.is_dir()
    make_folder(path)
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):  # something else is in it
                path.rmdir()
        raise


def _rename(source: str, arguments: argparse.Namespace) -> int:
    given = {"--partial": arguments.partial, "--report": arguments.report}
    require_without(given, "checkpoints")
    if arguments.cfg_out:
        written = ("--cfg-out", arguments.cfg_out, "--for", arguments.engine or DEFAULT)
        raise UsageError(
            "--cfg-out is written with .weights, or by info",
            remedy=command("info", source, *written),
        )
    from converter.operations.rename import has_names, rename

    table, source_family = arguments.family_table, "auto"
    if table and (arguments.family != "auto" or has_names(source, table)):
        arguments.family_table, source_family = None, table  # not of the output
    options = _options(arguments, *_INTO)
    result = rename(source, arguments.output, source_family=source_family, **options)
    _print(result, _summary(result.as_dict()), arguments)
    return 0


def _revert(source: str, arguments: argparse.Namespace) -> int:
    one_way = {"--partial": arguments.partial, "--names": arguments.names,
               "--dtype": arguments.dtype != "float32", "--strict": arguments.strict,
               "--report": arguments.report}  # fmt: skip
    require_without(one_way, "the way back")
    from converter.operations.revert import revert

    result = revert(source, arguments.output, **_options(arguments, *_CFG_OUT))
    facts = result.as_dict()
    counts = f"{facts['tensors']} tensors, {facts['floats']:,} floats"
    same = ", the file that the checkpoint was made from" if result.identical else ""
    if result.cfg and not arguments.cfg_out:
        same += f"; its network: {result.cfg}"
    _print(result, f"{result.output}: {counts}, {_checked(facts)}{same}", arguments)
    return 0


def _summary(facts: Mapping[str, Any]) -> str:
    counts = f"{facts['tensors']} tensors, {facts['floats']:,} floats"
    kind = f"{facts['family']}, {facts['classes'] or 'no'} classes"
    rounded = f", rounded to {facts['dtype']}" if facts["dtype"] != "float32" else ""
    if facts["max_error"]:
        rounded += f" (largest error {facts['max_error']:.3g})"
    return f"{facts['output']}: {counts}, {kind}, {_checked(facts)}{rounded}"


def _checked(facts: Mapping[str, Any]) -> str:
    return {"dry run": "not written", "up to date": "up to date, verified"}.get(
        facts["status"], "verified" if facts["verified"] else "not verified"
    )
