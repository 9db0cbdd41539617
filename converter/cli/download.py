"""``download``: published weights, checked."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator

from converter import published
from converter.cli.output import StatusLine, print_json, print_table
from converter.cli.parser import CommandParser
from converter.errors import UsageError, printable
from converter.operations.download import Download, fetch

log = logging.getLogger("converter")


def make_parser(program: str) -> CommandParser:
    """The parser of ``download``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "NAME",
        "Download published Darknet weights, and check that they are the published ones.",
        ("yolov3", "yolov4-tiny -o weights", "--list"),
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="which weights: see --list")
    parser.add_argument("--list", action="store_true", help="list what there is")
    output = parser.add_argument_group("output")
    output.add_argument("-o", "--output", metavar="DIR", default=".", help="where to put them")
    output.add_argument("--force", action="store_true", help="replace a file that is another one")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Download one file, or list what there is; the exit code."""
    if arguments.list:
        _list(as_json=arguments.json)
        return 0
    if arguments.name is None:
        raise UsageError("which weights?", remedy="give a NAME, or --list")
    file = published.find_published(arguments.name)
    bar = _ProgressBar(file.file, StatusLine(quiet=arguments.quiet))
    try:
        result = fetch(file, arguments.output, force=arguments.force, progress=bar)
    finally:
        bar.line.clear()
    if arguments.json:
        print_json(result.as_dict())
    else:
        log.info("licence: %s", file.licence)
        print(printable(_summary(result)))
    return 0


def _summary(result: Download) -> str:
    facts = result.as_dict()
    return (
        f"{result.path}: {result.status}, {facts['size']:,} bytes, verified: {result.digest}"
        f" ({_sources(result.file.hashes[result.digest])})"
    )


def _list(*, as_json: bool) -> None:
    if as_json:
        files = [file.as_dict() for file in published.PUBLISHED]
        print_json({"schema": 1, "files": files, "cfg_only": list(published.CFG_ONLY)})
        return
    print_table(_rows())


def _rows() -> Iterator[str]:
    for file in published.PUBLISHED:
        hashes = ", ".join(
            f"{digest[:15]}... ({_sources(count)})" for digest, count in file.hashes.items()
        )
        yield f"{file.name:18} {file.size:>11,} bytes  {file.trained_on:11}  {hashes}"
    for name in published.CFG_ONLY:
        yield f"{name:18} cfg only: weights were never published"


def _sources(count: int) -> str:
    return "hash from one source" if count == 1 else f"hash from {count} sources"


class _ProgressBar:
    """One line on a terminal: how much is there, and how fast it comes."""

    PAUSE = 0.1  # seconds between two drawings

    def __init__(self, name: str, line: StatusLine) -> None:
        self.name = name
        self.line = line
        self.began: tuple[float, int] | None = None
        self.drawn = 0.0

    def __call__(self, done: int, size: int) -> None:
        now = time.monotonic()
        since, first = self.began = self.began or (now, done)
        if now - self.drawn < self.PAUSE:
            return
        self.drawn = now
        # A server that sends the whole again begins before ``first``.
        speed = max(done - first, 0) / (now - since) if now > since else 0.0
        self.line.show(
            f"{self.name} {done / size:4.0%}  {done / 1e6:,.1f} of {size / 1e6:,.1f} MB"
            f"  {speed / 1e6:.1f} MB/s"
        )
