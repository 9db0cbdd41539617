"""``report``: a page about a checkpoint or a .weights file."""

from __future__ import annotations

import argparse
from pathlib import Path

from converter.checkpoint.metadata import Metadata
from converter.cli.output import print_json
from converter.cli.parser import CommandParser, add_flag, family_choice
from converter.errors import UsageError, printable
from converter.files.source import is_weights
from converter.identify_checkpoint import open_checkpoint
from converter.operations.convert import convert
from converter.report import check_target, write_report
from converter.report.summary import verdict
from converter.report.values import restores


def make_parser(program: str) -> CommandParser:
    """The parser of ``report``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "SOURCE",
        "Show which bytes of a .weights file became which tensors, and what they hold.",
        (
            "yolov3.safetensors",
            "yolov3.weights --cfg yolov3.cfg -o yolov3.md",
        ),
    )
    parser.add_argument("source", metavar="SOURCE", help="checkpoint, or .weights file")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", metavar="OUT", help=".html, .md or .json (default: SOURCE as .html)"
    )
    add_flag(output, "--force", "replace an existing output")
    network = parser.add_argument_group("network")
    network.add_argument("--cfg", metavar="FILE", help="its cfg (default: SOURCE's own)")
    parser.add_family_option("whose tensor names a checkpoint has, or would get")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the page; the exit code."""
    source = Path(arguments.source)
    if not source.name:
        raise UsageError("SOURCE names no file")
    output = Path(arguments.output) if arguments.output else source.with_suffix(".html")
    check_target(output, source, arguments.cfg)
    verified = None
    if is_weights(source):
        result = convert(source, cfg=arguments.cfg, family=family_choice(arguments), dry_run=True)
        plan, meta = result.plan, result.metadata
    else:
        stored = open_checkpoint(source, arguments.cfg, family=family_choice(arguments))
        plan = stored.plan
        if stored.claims:
            meta, verified = stored.claims, restores(stored)
        else:  # what it would say
            meta = Metadata.of(plan, tool="", sha256="", names=None, dtype=stored.dtype)
    report = write_report(plan, meta, source, output, verified=verified, force=arguments.force)
    if arguments.json:
        print_json({"schema": 1, "output": str(output), "verified": report.verified})
    else:
        counts = f"{len(report.rows)} arrays of {len(report.layers)} layers"
        print(printable(f"{output}: {counts}, {verdict(report).title.lower()}"))
    return 0 if verified is not False else 1
