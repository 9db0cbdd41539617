"""Many files, converted in parallel processes."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.errors import DarknetError, UsageError
from converter.files import portable, remote
from converter.logs import OneLine
from converter.operations.convert import convert, default_output
from converter.options import PathLike

# ProcessPoolExecutor refuses more there: a process cannot wait for more than 64 things.
_MOST_ON_WINDOWS = 61


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one source.

    Attributes:
        source: as it was found.
        facts: the object that ``convert --json`` prints for it alone; with "error" if refused.
        messages: what was logged meanwhile, line by line.
    """

    source: str
    facts: Mapping[str, Any]
    messages: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it was converted."""
        return "error" not in self.facts


def convert_many(
    sources: Sequence[str], folder: PathLike | None, options: Mapping[str, Any], workers: int
) -> Iterator[Result]:
    """Convert all ``sources`` into ``folder``, or each beside itself; results as they come.

    One that fails does not stop the rest. To be called from the main thread, which gets signals.

    Raises:
        UsageError: two of them would be written to the same file.
    """
    jobs = [(source, _target(source, folder), dict(options)) for source in sources]
    taken: dict[str, str] = {}
    for source, target, _ in jobs:
        other = taken.setdefault(os.path.normcase(target), source)
        if other != source:
            raise UsageError(f"would be written to the same file as {other}: {target}", path=source)
    # Late: their import costs more than planning, and one file needs no other process.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Fresh processes: a fork would copy whatever threads the caller has.
    context = multiprocessing.get_context("spawn")
    if portable.WINDOWS:
        workers = min(workers, _MOST_ON_WINDOWS)
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        try:
            # What starts now inherits it, and so is never interrupted half-way up.
            with _ignoring_interrupts():
                submitted = [pool.submit(_convert, *job) for job in jobs]
            for done in as_completed(submitted):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _target(source: str, folder: PathLike | None) -> str:
    name = Path(remote.name_of(source)) if remote.is_url(source) else Path(source)
    target = default_output(name)
    if folder is None:
        return str(target)
    if remote.is_url(folder):
        return f"{os.fspath(folder).rstrip('/')}/{target.name}"
    return str(Path(folder) / target.name)


def _end_with_parent() -> None:
    """Let this process end when its parent does: a pool's worker waits for work for ever."""
    from multiprocessing import parent_process
    from threading import Thread

    parent = parent_process()
    assert parent is not None  # this is no main process

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C while the block runs: between jobs it is for the parent alone to handle."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _convert(source: str, target: str, options: dict[str, Any]) -> Result:
    from converter.files.target import remove_leftovers  # late: finding one file needs none of it

    messages = _Messages()
    logger = logging.getLogger("converter")
    logger.handlers, logger.propagate = [messages], False
    logger.setLevel(logging.INFO)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        facts = convert(source, target, **options).as_dict()
    except DarknetError as error:
        facts = {"schema": 1, "error": error.as_dict()}
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        facts = {"schema": 1, "error": {"type": "KeyboardInterrupt", "message": "interrupted"}}
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "error" in facts and not remote.is_url(target):
        # One that came just before there was a cleanup. Only now: until here the exception kept
        # its lock open.
        remove_leftovers(Path(target))
    return Result(source=source, facts={"source": source, **facts}, messages=tuple(messages.lines))


class _Messages(logging.Handler):
    """Keeps what is logged, for the parent to log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(OneLine())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
