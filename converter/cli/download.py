"""``download``: published weights, checked, with their cfg and class names; and official cfgs."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from converter import published
from converter.cli.output import StatusLine, print_json, print_table
from converter.cli.parser import CommandParser, add_flag, positive_int
from converter.errors import OutputError, UsageError, command, printable
from converter.official import RemoteFile, find_cfg, official_cfgs
from converter.operations.download import Download, fetch
from converter.published import PublicFile

log = logging.getLogger("converter")


def make_parser(program: str) -> CommandParser:
    """The parser of ``download``, called by the name ``program``."""
    parser = CommandParser(
        program,
        "NAME",
        "Download published Darknet weights, their cfg and names, and check them.",
        ("yolov3", "yolov4-tiny -o weights", "--cfg yolov4-tiny --classes 3", "--list"),
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="which weights: see --list")
    add_flag(parser, "--list", "list what there is")
    cfg = parser.add_argument_group("a cfg alone")
    cfg.add_argument("--cfg", metavar="NAME", help="only a cfg, of the engines' repositories")
    cfg.add_argument(
        "--classes", metavar="N", type=positive_int, help="write that cfg for so many classes"
    )
    output = parser.add_argument_group("output")
    output.add_argument("-o", "--output", metavar="DIR", default=".", help="where to put them")
    add_flag(output, "--force", "replace a file that is another one")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Download what is asked for, or list what there is; the exit code."""
    if arguments.classes is not None and arguments.cfg is None:
        raise UsageError("--classes is for a cfg", remedy="say which with --cfg")
    if arguments.list:
        _list(as_json=arguments.json)
        return 0
    if arguments.cfg is None and arguments.name is None:
        raise UsageError("which weights?", remedy=f"list them: {command('download', '--list')}")
    _require_folder(Path(arguments.output))
    if arguments.cfg is not None:
        _bring_cfg(arguments)
    else:
        _bring(published.find_published(arguments.name), arguments)
    return 0


def _require_folder(output: Path) -> None:
    """Refuse a file's name for the folder, and a folder in a file.

    Raises:
        OutputError: it is one.
    """
    for each in (output, *output.parents):
        if os.path.lexists(each) and not os.path.isdir(each):
            raise OutputError(
                "is no folder, and -o wants the one that files go into",
                path=each,
                remedy="name a folder, or leave -o out for the current one",
            )


def _bring(file: PublicFile, arguments: argparse.Namespace) -> None:
    beside = [_fetch(companion, arguments, keep=True) for companion in file.companions]
    result = _fetch(file, arguments)
    if arguments.json:
        print_json(
            {
                "schema": 1,
                "name": file.name,
                **result.as_dict(),
                "licence": file.licence,
                "beside": [companion.as_dict() for companion in beside],
            }
        )
        return
    log.info("licence: %s", file.licence)
    for each in (*beside, result):
        print(printable(_summary(each)))
    if file.partial:
        log.info("it holds the first layers only: convert it with --partial")


def _bring_cfg(arguments: argparse.Namespace) -> None:
    from converter.operations.official_cfg import fetch_cfg  # late: seldom needed

    if arguments.name is not None:
        raise UsageError(
            "--cfg brings a cfg alone", remedy=f"leave {arguments.name} out, which has its cfg"
        )
    cfg = find_cfg(arguments.cfg)
    path = fetch_cfg(cfg, arguments.output, classes=arguments.classes, force=arguments.force)
    classes = arguments.classes or cfg.classes
    if arguments.json:
        facts = {"cfg": cfg.name, "repository": cfg.repository, "path": str(path)}
        print_json({"schema": 1, **facts, "classes": classes})
        return
    changed = f", with {classes} classes" if arguments.classes else ""
    print(printable(f"{path}: {cfg.path} of {cfg.repository}{changed}"))


def _fetch(file: RemoteFile, arguments: argparse.Namespace, *, keep: bool = False) -> Download:
    with StatusLine(quiet=arguments.quiet) as line:
        bar = _ProgressBar(file.file, line)
        return fetch(file, arguments.output, force=arguments.force, keep=keep, progress=bar)


def _summary(result: Download) -> str:
    if result.status == "kept":
        return f"{result.path}: kept: not the published one (--force replaces it)"
    sources = result.file.hashes.get(result.digest, 0)
    found = f"verified: {result.digest} ({_sources(sources)})"
    if not sources:
        found = f"only its size is verified, since no hash of it is published; {result.digest}"
    return f"{result.path}: {result.status}, {result.size:,} bytes, {found}"


def _list(*, as_json: bool) -> None:
    if as_json:
        files = [file.as_dict() for file in published.PUBLISHED]
        cfgs = [
            {"cfg": cfg.key, "repository": cfg.repository, "classes": cfg.classes}
            for cfg in official_cfgs()
        ]
        cfg_only = list(published.CFG_ONLY)
        print_json({"schema": 1, "files": files, "cfg_only": cfg_only, "cfgs": cfgs})
        return
    print_table(_rows())


def _rows() -> Iterator[str]:
    for file in published.PUBLISHED:
        hashes = ", ".join(
            f"{digest[:15]}... ({_sources(count)})" for digest, count in file.hashes.items()
        )
        checked = hashes or "no hash is published: only its size is checked"
        yield f"{file.name:27} {file.size:>11,} bytes  {file.trained_on:11}  {checked}"
    for name in published.CFG_ONLY:
        yield f"{name:27} cfg only: weights were never published"
    yield f"cfgs, for --cfg: {', '.join(cfg.key for cfg in official_cfgs())}"


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
