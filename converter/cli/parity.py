"""``scripts/parity.py``: many cfgs in real engines and here, layer by layer."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from converter.cli.detector import usable_device
from converter.cli.output import print_json
from converter.cli.parser import CommandParser, add_flag, positive_int
from converter.darknet.dialects import DIALECTS
from converter.errors import printable
from converter.files.target import require_other, write_whole

if TYPE_CHECKING:
    from yolov3.parity.examine import Case, Verdict

DEBIAN = Path("/usr/share/darknet/cfg")


def make_parser(program: str) -> CommandParser:
    """The parser of ``parity``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "[CFG ...]",
        "Run cfgs in real engines and in PyTorch, with the same random weights and input, and"
        " compare every layer.\n\n"
        "Exit code 0: all exact, or refused by both. Relative paths in a cfg (tree=data/9k.tree)\n"
        "are searched from the current folder, as darknet does.",
        (
            "",
            "cfg/ -o state.jsonl --markdown table.md --jobs 4",
            "net.cfg --engine /opt/alexeyab/libdarknet.so --full",
        ),
    )
    parser.add_argument(
        "cfgs", metavar="CFG", nargs="*", type=Path, default=[DEBIAN],
        help=f".cfg files, and folders of them (default: {DEBIAN})",
    )  # fmt: skip
    parser.add_argument(
        "--engine", metavar="LIBRARY", action="append", type=Path,
        help="a libdarknet.so; may be given several times (default: $DARKNET_LIBRARY, or that"
        " which is installed)",
    )  # fmt: skip
    add_flag(parser, "--full", "pictures of the size that the cfg says, not small ones")
    parser.add_argument(
        "--device", default="cpu", help="where to compute: cpu (default), cuda, cuda:1 or 1"
    )
    parser.add_argument(
        "-j", "--jobs", metavar="N", type=positive_int, default=os.cpu_count() or 1,
        help="cfgs at a time (default: one a core)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=positive_int, default=600,
        help="how long an engine may take for a cfg (default: 600)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--state", metavar="FILE", type=Path,
        help="keep results there, a line each, and skip what it has: an interrupted run goes on",
    )  # fmt: skip
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write a table, or replace it"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each cfg and engine; the exit code."""
    from yolov3.parity.examine import AGREEING
    from yolov3.parity.folder import examine_all

    device = _prepare(arguments.device)
    cases = _cases(arguments, device)
    if arguments.markdown:
        require_other(arguments.markdown, arguments.state, *(case.path for case in cases))
        _write_table(arguments.markdown, [])  # rather now than in an hour
    found: list[Verdict] = []
    verdicts = examine_all(cases, arguments.jobs, arguments.timeout, arguments.state)
    try:
        with closing(verdicts):
            for verdict in verdicts:
                found.append(verdict)
                if not arguments.json:
                    print(printable(_line(verdict)), flush=True)
    finally:
        _report(found, len(cases), arguments)
    return 0 if all(verdict.result in AGREEING for verdict in found) else 1


def _cases(arguments: argparse.Namespace, device: str) -> list[Case]:
    from yolov3.parity.engines import dialect_of, find_library
    from yolov3.parity.examine import Case
    from yolov3.parity.folder import find_cfgs

    cfgs = find_cfgs(arguments.cfgs)
    libraries = arguments.engine or [find_library()]
    engines = [(library, dialect_of(library)) for library in libraries]
    return [
        Case(
            path=path,
            name=name,
            dialect=dialect,
            library=library,
            full=arguments.full,
            device=device,
        )
        for path, name in cfgs.items()
        for library, dialect in engines
    ]


def _prepare(name: str) -> str:
    """One thread a job, and all bits of float32 on a GPU, too; the device of that name."""
    import torch

    device = usable_device(name)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of engines
    torch.backends.cudnn.allow_tf32 = False
    return str(device)


def _report(found: Sequence[Verdict], total: int, arguments: argparse.Namespace) -> None:
    found = sorted(found, key=lambda verdict: (verdict.cfg, verdict.engine))
    counts = dict(sorted(Counter(verdict.result for verdict in found).items()))
    if arguments.markdown:
        _write_table(arguments.markdown, found)
    if arguments.json:
        verdicts = [verdict.as_dict() for verdict in found]
        print_json({"schema": 1, "cases": total, "results": counts, "verdicts": verdicts})
    else:
        numbers = ", ".join(f"{count} {result}" for result, count in counts.items())
        print(f"{len(found)} of {total}: {numbers or 'nothing yet'}")


def _write_table(path: Path, verdicts: Sequence[Verdict]) -> None:
    from yolov3.parity.folder import markdown

    write_whole(path, markdown(verdicts).encode(), force=True)


def _line(verdict: Verdict) -> str:
    facts: list[str] = [verdict.result]
    if verdict.worst and verdict.result == "differs":
        facts[0] += f" at {verdict.worst}"
    elif verdict.worst:
        facts.append(f"farthest is {verdict.worst}")
    if verdict.relative is not None:
        facts.append(f"relative distance {verdict.relative:.1e}")
    if verdict.excused:
        facts.append(f"{verdict.excused} excused")
    if verdict.weak:
        facts.append(f"{verdict.weak} layers say little")
    if verdict.here:
        facts.append(f"here: {verdict.here}")
    if verdict.there:
        facts.append(f"there: {verdict.there}")
    return f"{verdict.cfg}: {DIALECTS[verdict.engine].engine}: {'; '.join(facts)}"
