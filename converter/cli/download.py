"""The command line of downloads. Apart from ``cli``, which has no use for requests."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence

from converter.cli.program import StatusLine, parser, print_json, run
from converter.errors import UsageError, printable
from converter.operations.download import Download, fetch
from converter.published import CFG_ONLY, PUBLISHED, find_published

log = logging.getLogger("converter")


def download_main(argv: Sequence[str] | None = None) -> int:
    """``download.py``: published weights, checked."""
    made = parser(
        "download.py",
        "Download published Darknet weights, and check that they are the published ones.",
        ("download.py --list", "download.py yolov3", "download.py yolov4-tiny -o weights"),
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="which weights: see --list")
    made.add_argument("-o", "--output", metavar="DIR", default=".", help="where to put them")
    made.add_argument("--list", action="store_true", help="list what there is")
    made.add_argument("--force", action="store_true", help="replace a file that is another one")
    return run(_download, made, argv)


def _download(arguments: argparse.Namespace) -> int:
    if arguments.list:
        _list(as_json=arguments.json)
        return 0
    if arguments.name is None:
        raise UsageError("which weights?", remedy="give a NAME, or --list")
    file = find_published(arguments.name)
    bar = _Bar(file.file, StatusLine(quiet=arguments.quiet))
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
        files = [file.as_dict() for file in PUBLISHED]
        print_json({"schema": 1, "files": files, "cfg_only": list(CFG_ONLY)})
        return
    for file in PUBLISHED:
        hashes = ", ".join(
            f"{digest[:15]}... ({_sources(count)})" for digest, count in file.hashes.items()
        )
        print(f"{file.name:18} {file.size:>11,} bytes  {file.trained_on:11}  {hashes}")
    for name in CFG_ONLY:
        print(f"{name:18} cfg only: weights were never published")


def _sources(count: int) -> str:
    return "hash from one source" if count == 1 else f"hash from {count} sources"


class _Bar:
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
