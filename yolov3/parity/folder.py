"""Many cfgs against several engines: in parallel, and from where an earlier run ended."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from pathlib import Path

from converter.errors import UsageError, printable
from yolov3.parity.engines import Limits
from yolov3.parity.examine import Case, Verdict, examine


def find_cfgs(arguments: Sequence[Path]) -> dict[Path, str]:
    """The .cfg files of files and folders, with all that is in these, and what to call each.

    Raises:
        UsageError: there is no such file, or none in a folder.
    """
    found: dict[Path, str] = {}
    for argument in arguments:
        if not argument.exists():
            raise UsageError("is not there", path=argument)
        cfgs = sorted(argument.rglob("*.cfg")) if argument.is_dir() else [argument]
        if not cfgs:
            raise UsageError("holds no .cfg file", path=argument)
        inside = argument.is_dir() and len(arguments) == 1
        found.update((p, str(p.relative_to(argument)) if inside else str(p)) for p in cfgs)
    return found


def examine_all(
    cases: Sequence[Case], workers: int, seconds: float, state: Path | None = None
) -> Generator[Verdict, None, None]:
    """The verdict on each case as it comes, those first that ``state`` has from an earlier run.

    If it is closed, or interrupted, the engines that run are ended.

    Args:
        cases: what to run.
        workers: cases at a time.
        seconds: how long an engine may take to answer.
        state: a file of JSON lines, one a verdict, which grows by each that is new.

    Raises:
        UsageError: ``state`` is another kind of file.
    """
    known = {} if state is None else _read_state(state)
    keys = {case: _key(case) for case in cases}
    for case in cases:
        if keys[case] in known:
            yield known[keys[case]]
    limits = Limits(seconds=seconds)
    # Threads: the engines are processes, and PyTorch computes outside of Python's lock.
    with ThreadPoolExecutor(workers) as pool:
        left = [case for case in cases if keys[case] not in known]
        # In copies of this context: remedies must name a command's options there, too.
        running = {pool.submit(copy_context().run, examine, case, limits): case for case in left}
        try:
            for done in as_completed(running):
                verdict = done.result()
                if state is not None:
                    _append(state, keys[running[done]], verdict)
                yield verdict
        except BaseException:
            limits.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _key(case: Case) -> str:
    """What a verdict depends on, but for the engine's and this project's version."""
    facts = {
        "cfg": case.name,
        "sha256": hashlib.sha256(case.path.read_bytes()).hexdigest(),
        "engine": case.dialect,
        "full": case.full,
        "device": case.device,
    }
    return json.dumps(facts)


def _read_state(path: Path) -> dict[str, Verdict]:
    """What an earlier run found; what it had begun to write when it was killed is cut off."""
    if not path.exists():
        path.touch()
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    known = {}
    try:
        for line in whole.splitlines():
            case, facts = json.loads(line)
            known[json.dumps(case)] = Verdict(**facts)
    except (ValueError, TypeError):
        whole = b""
    if content and not whole:
        raise UsageError(
            "is no file that this command wrote", path=path, remedy="choose another with -o"
        )
    os.truncate(path, len(whole))
    return known


def _append(path: Path, key: str, verdict: Verdict) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps([json.loads(key), verdict.as_dict()]) + "\n")


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A table with a line for each."""
    lines = [
        "| cfg | engine | result | layers | floats | same file | worst layer | relative L2 |"
        " excused | why |",
        "| --- | --- | --- | ---: | ---: | --- | --- | ---: | ---: | --- |",
        *(f"| {' | '.join(map(_cell, _cells(verdict)))} |" for verdict in verdicts),
    ]
    return "\n".join(lines) + "\n"


def _cells(verdict: Verdict) -> list[str]:
    return [
        verdict.cfg.removesuffix(".cfg"),
        verdict.engine,
        verdict.result,
        f"{verdict.layers or ''}",
        f"{verdict.floats:,}" if verdict.layers else "",
        {True: "yes", False: "NO", None: ""}[verdict.same_file],
        verdict.worst or "",
        "" if verdict.relative is None else f"{verdict.relative:.1e}",
        f"{verdict.excused or ''}",
        "; ".join(filter(None, (verdict.here, verdict.there))),
    ]


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
