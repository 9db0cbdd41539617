"""``verify``: .weights against .safetensors."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from converter.cli.output import print_json, print_plan, print_table
from converter.cli.parser import CommandParser, add_flag, add_names, family_choice, network_options
from converter.cli.runner import require_own_yolov3
from converter.darknet.dialects import DIALECTS
from converter.errors import CheckpointError, OutputError, UsageError, command, printable
from converter.files.source import CHECKPOINT_SUFFIXES, WEIGHTS_SUFFIXES, is_weights_name
from converter.operations.verify import Verification, verify
from converter.options import ENGINES

if TYPE_CHECKING:
    from yolov3.parity.compare import Difference, Parity


def make_parser(program: str) -> CommandParser:
    """The parser of ``verify``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "WEIGHTS CHECKPOINT",
        "Compare a checkpoint with the .weights file it was made from, float by float.",
        (
            "yolov3.weights yolov3.safetensors",
            "yolov3.weights yolov3.safetensors -v",
            "yolov3.weights yolov3.safetensors --against darknet --image dog.jpg",
        ),
    )
    parser.add_argument("weights", metavar="WEIGHTS", help=".weights file")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help=".safetensors, .pt or .pth file")
    expected = parser.add_argument_group("what the checkpoint should be")
    expected.add_argument("--cfg", metavar="FILE", help="the network that it should be")
    add_names(expected, "the class names that it should have")
    expected.add_argument(
        "--dialect", choices=tuple(DIALECTS), help="whose darknet it should be of"
    )
    parser.add_family_option("whose tensor names it has, if it does not say (default: shown)")
    outputs = parser.add_argument_group("outputs of the network")
    outputs.add_argument(
        "--against",
        choices=ENGINES,
        help="also run both and compare: with an installed engine, or the layer-by-layer model",
    )
    outputs.add_argument("--image", metavar="FILE", help="what to run on (default: noise)")
    outputs.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise")
    page = parser.add_argument_group("page")
    page.add_argument(
        "--report", metavar="FILE", help="also show the mapping as a page (.html, .md, .json)"
    )
    add_flag(page, "--force", "replace an existing report")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Compare the two files; the exit code."""
    files = arguments.weights, arguments.checkpoint
    if files[0].endswith(CHECKPOINT_SUFFIXES) and files[1].endswith(WEIGHTS_SUFFIXES):
        raise UsageError("the .weights come first", remedy=command("verify", *reversed(files)))
    if arguments.report:
        from converter.report import check_target

        inputs = (*files, arguments.cfg, arguments.names, arguments.image)
        check_target(arguments.report, *inputs)
        if os.path.lexists(arguments.report) and not arguments.force:
            raise OutputError(
                "exists already", path=arguments.report, remedy="replace it with --force"
            )
    if arguments.image and not arguments.against:
        raise UsageError("--image is what --against runs on", remedy="add --against darknet")
    if arguments.names_encoding and not arguments.names:
        raise UsageError("--names-encoding is that of --names", remedy="give both")
    _require_checkpoint(arguments)
    result = verify(*files, **network_options(arguments))
    parity = _against(arguments) if arguments.against else None
    if arguments.report:
        _report(result, parity, arguments)
    if arguments.json:
        print_json(result.as_dict() | ({"against": parity.as_dict()} if parity else {}))
    else:
        _print_verification(result, verbose=arguments.verbose)
        if parity:
            _print_parity(parity, verbose=arguments.verbose)
    return 0 if result.ok and (parity is None or parity.ok) else 1


def _require_checkpoint(arguments: argparse.Namespace) -> None:
    """Refuse a .safetensors that was not made yet, with the line that makes it.

    Raises:
        CheckpointError: it is not there, and the .weights are.
    """
    weights, checkpoint = arguments.weights, arguments.checkpoint
    if os.path.lexists(checkpoint) or not os.path.isfile(weights):
        return
    # Of another file than .weights its own refusal says more. Of a .pt or .pth it is not known
    # which port's names it should have.
    if not is_weights_name(Path(weights)) or not checkpoint.endswith(".safetensors"):
        return
    from converter.operations.convert import default_output  # late: seldom needed

    options = {
        "-o": None if Path(checkpoint) == default_output(weights) else checkpoint,
        "--cfg": arguments.cfg,
        "--names": arguments.names,
        "--names-encoding": arguments.names_encoding,
        "--dialect": arguments.dialect,
        "--family": None if arguments.family == "auto" else arguments.family,
        "--family-table": arguments.family_table,
    }
    given = [word for option, value in options.items() if value for word in (option, value)]
    line = command("convert", weights, *given)
    raise CheckpointError("no such file", path=checkpoint, remedy=f"make it: {line}")


def _against(arguments: argparse.Namespace) -> Parity:
    require_own_yolov3()
    # Late: comparing files needs no PyTorch, running networks does.
    from yolov3.parity.compare import against

    return against(
        arguments.weights,
        arguments.checkpoint,
        arguments.against,
        cfg=arguments.cfg,
        dialect=arguments.dialect,
        family=family_choice(arguments),
        picture=arguments.image,
        seed=arguments.seed,
    )


def _report(result: Verification, parity: Parity | None, arguments: argparse.Namespace) -> None:
    from converter.report import write_report

    write_report(
        result.plan,
        result.metadata,
        arguments.weights,
        arguments.report,
        verified=result.ok,
        parity=[(r.index, r.max_abs, r.relative) for r in parity.rows] if parity else None,
        agrees=parity.ok if parity else None,
        force=arguments.force,
    )


def _print_parity(parity: Parity, *, verbose: bool) -> None:
    """The errors of all layers if ``verbose``, else of those that diverge; then the verdict."""
    rows = [row for row in parity.rows if verbose or not row.relative <= parity.bound]
    print()
    if rows:
        heading = f"{f'against {parity.engine}':36}{'max abs':>10}{'relative':>10}{'RMS':>10}"
        print_table([heading, *map(_parity_line, rows)])
    else:
        print(f"against {parity.engine}: {len(parity.rows)} layers")
    if parity.ok:
        print(f"equal: no layer's relative distance is above {parity.bound:g}")
    elif parity.first:
        print(f"DIFFERENT: the first to diverge is {parity.first.place} (bound {parity.bound:g})")
    else:
        print("DIFFERENT: every output is constant, so nothing was compared")


def _parity_line(row: Difference) -> str:
    numbers = f"{row.max_abs:10.2e}{row.relative:10.2e}{row.rms:10.2e}"
    return f"{row.place:36}{numbers}  {row.excuse or ''}"


def _print_verification(result: Verification, *, verbose: bool) -> None:
    """The arrays, all of them if ``verbose``, else those that differ; then the verdict."""
    rows = [(slot, equal) for slot, equal in result.comparison.rows if verbose or not equal]
    if rows:
        equal = ["yes" if equal else "NO" for _, equal in rows]
        print_plan([slot for slot, _ in rows], equal=equal)
    for what, names in (
        ("missing from the checkpoint", result.comparison.missing),
        ("unexpected in the checkpoint", result.comparison.unexpected),
    ):
        for name in names:
            print(printable(f"{what}: {name}"))
    for claim in result.claims:
        if claim.text:
            mark = "not compared" if claim.ok is None else "NOT TRUE"
            print(printable(f"{claim.name}: {mark}: {claim.text}"))
    for change in filter(lambda change: change.changed, result.changes):
        print(f"by rule: {change}")
    same = sum(equal for _, equal in result.comparison.rows)
    verdict = "equal" if result.ok else "DIFFERENT"
    dtype = result.metadata.dtype
    how = "bit for bit the same" if dtype == "float32" else f"the same in {dtype}"
    if result.changes:
        how += ", but for what the rules change"
    how += "; the checkpoint was made from another file" if result.of_another else ""
    print(f"{verdict}: {same} of {len(result.comparison.rows)} tensors are {how}")
