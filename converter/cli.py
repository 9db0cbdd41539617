"""The command lines that need no PyTorch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter import batch, remote
from converter.command import StatusLine, parser, print_json, run
from converter.errors import DarknetError, OutputError, UsageError, printable
from converter.families import FAMILIES
from converter.layers import DIALECTS
from converter.pipeline import Verification, convert, default_output, verify
from converter.plan import Plan, Slot
from converter.precision import DTYPES
from converter.reversion import revert

if TYPE_CHECKING:
    from yolov3.against import Parity


def convert_main(argv: Sequence[str] | None = None) -> int:
    """``convert.py``: .weights to .safetensors."""
    made = parser(
        "convert.py",
        "Convert Darknet .weights to safetensors for PyTorch, or back, and check every float.",
        (
            "convert.py yolov3.weights",
            "convert.py yolov4.weights --cfg yolov4.cfg -o v4.safetensors",
            "convert.py darknet53.conv.74 --dry-run",
            "convert.py yolov3.safetensors -o back.weights",
            "convert.py weights/ 'more/*.weights' -o converted",
        ),
    )
    made.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help=".weights or .backup files, folders, patterns, URLs; one .safetensors to go back",
    )
    made.add_argument(
        "-o", "--output", metavar="OUT", help="file to write, or folder (default: beside SOURCE)"
    )
    made.add_argument(
        "-j", "--jobs", metavar="N", type=_positive, default=os.cpu_count() or 1,
        help="processes for several files (default: one a core)",
    )  # fmt: skip
    made.add_argument("--cfg", metavar="FILE", help="the network (default: beside SOURCE)")
    made.add_argument("--names", metavar="FILE", help="class names (default: beside SOURCE)")
    made.add_argument(
        "--family",
        choices=("auto", *FAMILIES),
        default="auto",
        help="tensor names: of the modular YOLOv3, of the article's own wiring, or layers.N",
    )
    made.add_argument(
        "--dialect",
        choices=("auto", *DIALECTS),
        default="auto",
        help="whose darknet wrote the file",
    )
    made.add_argument(
        "--partial", action="store_true", help="accept a file that ends after some layer"
    )
    made.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="round to a smaller type (lossy)"
    )
    made.add_argument(
        "--cfg-out", metavar="FILE", help="going back: also write the network's cfg there"
    )
    made.add_argument(
        "--strict", action="store_true", help="refuse values that no training gives"
    )
    made.add_argument("--no-verify", action="store_true", help="do not read the output back")
    made.add_argument("--dry-run", action="store_true", help="print the plan, write nothing")
    made.add_argument("--force", action="store_true", help="replace an existing output")
    return run(_convert, made, argv)


def verify_main(argv: Sequence[str] | None = None) -> int:
    """``verify.py``: .weights against .safetensors."""
    made = parser(
        "verify.py",
        "Compare a checkpoint with the .weights file it was made from, float by float.",
        (
            "verify.py yolov3.weights yolov3.safetensors",
            "verify.py yolov3.weights yolov3.safetensors --against darknet --image dog.jpg",
        ),
    )
    made.add_argument("weights", metavar="WEIGHTS", help=".weights file")
    made.add_argument("checkpoint", metavar="CHECKPOINT", help=".safetensors file")
    made.add_argument("--cfg", metavar="FILE", help="the network (default: the checkpoint's)")
    made.add_argument(
        "--against",
        choices=("darknet", "opencv", "generic"),
        help="also run both and compare: with an installed engine, or the layer-by-layer model",
    )
    made.add_argument("--image", metavar="FILE", help="what to run on (default: noise)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise")
    return run(_verify, made, argv)


def _convert(arguments: argparse.Namespace) -> int:
    sources = batch.find_sources(arguments.sources)
    if len(sources) > 1 or sources != arguments.sources:
        return _convert_many(sources, arguments)
    if sources[0].endswith(".safetensors"):
        return _revert(sources[0], arguments)
    if arguments.cfg_out:
        raise UsageError("--cfg-out is for the way back", remedy="give a .safetensors file")
    output = arguments.output
    if output is not None and os.path.isdir(output):
        output = Path(output) / default_output(sources[0]).name
    result = convert(sources[0], output, **_options(arguments))
    if arguments.json:
        print_json(result.as_dict())
        return 0
    if arguments.dry_run:
        _print_plan(result.plan)
    print(printable(_summary(result.as_dict())))
    return 0


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "cfg": arguments.cfg,
        "names": arguments.names,
        "family": arguments.family,
        "dialect": arguments.dialect,
        "partial": arguments.partial,
        "dtype": arguments.dtype,
        "verify": not arguments.no_verify,
        "dry_run": arguments.dry_run,
        "force": arguments.force,
        "strict": arguments.strict,
    }


def _convert_many(sources: list[str], arguments: argparse.Namespace) -> int:
    if arguments.cfg_out or any(source.endswith(".safetensors") for source in sources):
        raise UsageError("the way back is for one checkpoint at a time")
    if arguments.output is not None and not remote.is_url(arguments.output):
        _make_folder(Path(arguments.output))
    line = StatusLine(quiet=arguments.quiet)
    results: dict[str, batch.Result] = {}
    try:
        for result in batch.convert_many(
            sources, arguments.output, _options(arguments), arguments.jobs
        ):
            results[result.source] = result
            line.clear()
            _say(result, arguments)
            line.show(f"{len(results)} of {len(sources)} files")
    finally:
        line.clear()
    refused = sum(not result.ok for result in results.values())
    if arguments.json:
        print_json({"schema": 1, "results": [dict(results[s].facts) for s in sources]})
    else:
        print(f"{len(sources) - refused} of {len(sources)} files converted, {refused} refused")
    return 1 if refused else 0


def _say(result: batch.Result, arguments: argparse.Namespace) -> None:
    for text in () if arguments.quiet else result.talk:
        print(printable(f"{result.source}: {text}"), file=sys.stderr)
    if not result.ok:
        error = DarknetError(**{k: v for k, v in result.facts["error"].items() if k != "type"})
        print(f"error: {error}", file=sys.stderr)
    elif not arguments.json:
        print(printable(_summary(result.facts)))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made a folder: {error.strerror}", path=path) from error


def _revert(source: str, arguments: argparse.Namespace) -> int:
    one_way = {"--family": arguments.family != "auto", "--partial": arguments.partial,
               "--names": arguments.names, "--dtype": arguments.dtype != "float32",
               "--strict": arguments.strict}  # fmt: skip
    for option, given in one_way.items():
        if given:
            raise UsageError(f"{option} is not for the way back", remedy=f"leave {option} out")
    result = revert(
        source,
        arguments.output,
        cfg=arguments.cfg,
        dialect=arguments.dialect,
        cfg_out=arguments.cfg_out,
        verify=not arguments.no_verify,
        dry_run=arguments.dry_run,
        force=arguments.force,
    )
    if arguments.json:
        print_json(result.as_dict())
        return 0
    if arguments.dry_run:
        _print_plan(result.plan)
    facts = result.as_dict()
    counts = f"{facts['tensors']} tensors, {facts['floats']:,} floats"
    same = ", the file that the checkpoint was made from" if result.identical else ""
    print(printable(f"{result.output}: {counts}, {_checked(facts)}{same}"))
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _verify(arguments: argparse.Namespace) -> int:
    result = verify(arguments.weights, arguments.checkpoint, cfg=arguments.cfg)
    parity = _against(arguments) if arguments.against else None
    if arguments.json:
        print_json(result.as_dict() | ({"against": parity.as_dict()} if parity else {}))
    else:
        _print_verification(result)
        if parity:
            _print_parity(parity)
    return 0 if result.ok and (parity is None or parity.ok) else 1


def _against(arguments: argparse.Namespace) -> Parity:
    # Late: comparing files needs no PyTorch, running networks does.
    try:
        from yolov3.against import against
    except ModuleNotFoundError as error:
        raise UsageError(str(error)) from error
    return against(
        arguments.weights,
        arguments.checkpoint,
        arguments.against,
        picture=arguments.image,
        seed=arguments.seed,
    )


def _print_parity(parity: Parity) -> None:
    print(f"\n{f'against {parity.engine}':36}{'max abs':>10}{'relative':>10}{'RMS':>10}")
    for row in parity.rows:
        numbers = f"{row.max_abs:10.2e}{row.relative:10.2e}{row.rms:10.2e}"
        print(printable(f"{row.place:36}{numbers}  {row.excuse or ''}".rstrip()))
    if parity.ok:
        print(f"equal: no layer is further than {parity.bound:g} away")
    elif parity.first:
        print(f"DIFFERENT: the first to diverge is {parity.first.place} (bound {parity.bound:g})")
    else:
        print("DIFFERENT: every output is constant, so nothing was compared")


def _print_plan(plan: Plan) -> None:
    for slot in plan.slots:
        print(printable(_row(slot)))


def _print_verification(result: Verification) -> None:
    print(f"{'layer':24}{'bytes':>23}  {'tensor':42}{'shape':20}equal")
    for slot, equal in result.comparison.rows:
        print(printable(f"{_row(slot)}{'yes' if equal else 'NO'}"))
    for what, names in (
        ("missing from the checkpoint", result.comparison.missing),
        ("unexpected in the checkpoint", result.comparison.unexpected),
    ):
        for name in names:
            print(printable(f"{what}: {name}"))
    if not result.header_ok:
        print("the recorded header is not the file's")
    same = sum(equal for _, equal in result.comparison.rows)
    verdict = "equal" if result.ok else "DIFFERENT"
    how = "bit for bit the same" if result.dtype == "float32" else f"the same in {result.dtype}"
    print(f"{verdict}: {same} of {len(result.comparison.rows)} tensors are {how}")


def _row(slot: Slot) -> str:
    layer = f"{slot.node.index} {slot.node.layer.type} {slot.kind}"
    shape = " x ".join(map(str, slot.shape))
    bytes_ = f"{slot.offset:,}-{slot.end - 1:,}"
    return f"{layer:24}{bytes_:>23}  {slot.tensor or '(left out)':42}{shape:20}"
