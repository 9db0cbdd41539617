"""Many files, converted in parallel: by processes of this machine, or by anybody's executor."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from io import StringIO
from pathlib import Path
from threading import Lock, Thread, current_thread, get_ident, main_thread
from typing import TYPE_CHECKING, Any

from converter.errors import (
    RUNNING,
    DarknetError,
    UsageError,
    WeightsError,
    missing,
    require_text,
)
from converter.files import portable, remote
from converter.files.source import CHECKPOINT_SUFFIXES, WEIGHTS_SUFFIXES
from converter.files.target import is_folder, make_folder, remove_leftovers
from converter.logs import OneLine
from converter.operations.convert import convert, default_output
from converter.options import EXPORT_SUFFIXES, PathLike
from converter.records import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from multiprocessing.synchronize import Semaphore

# ProcessPoolExecutor refuses more there: a process cannot wait for more than 64 things.
_MOST_ON_WINDOWS = 61
# What names of files that some command writes end in.
_FILES = (*CHECKPOINT_SUFFIXES, *WEIGHTS_SUFFIXES, *EXPORT_SUFFIXES.values())
_STARTING = Lock()  # held while new processes start as if there were no main module


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
    sources: Iterable[PathLike],
    out: PathLike | None = None,
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    **options: Any,
) -> Iterator[Result]:
    """Convert many files in parallel, here or on other machines.

    One that fails does not stop the rest. Done again, those that are whole are only checked: their
    results say "up to date".

    Args:
        sources: .weights files, or URLs.
        out: the folder to write to, which is made if need be, or a URL; default: each beside its
            source, or in the current folder for a URL.
        executor: where it is done: any executor that gives ``concurrent.futures.Future``, such as
            Dask's, whose workers see the same paths; default: processes of this machine, of which
            one that is killed loses nothing but its time. They do not import the caller's script,
            which needs no ``if __name__ == "__main__":`` for them.
        workers: how many processes; default: one for each processor.
        **options: of ``convert``, the same for all.

    Returns:
        The results as they come, one for each source.

    Raises:
        UsageError: ``sources`` is one path or has a folder, ``out`` ends as a file's name does,
            ``workers`` is no number of them, or two would be written to the same file.
        OutputError: ``out`` cannot be made a folder.
    """
    if isinstance(sources, str | os.PathLike):  # a string would be taken letter by letter
        raise UsageError("is one source", path=sources, remedy="give a list")
    require_text({}, out=out)
    sources = tuple(sources)
    for source in sources:
        require_text({"source": source})
    if workers is not None and not (isinstance(workers, int) and workers >= 1):
        raise UsageError(f"workers={workers!r} must be a whole number from 1 on")
    if out is not None:
        _require_folders_name(os.fspath(out))
    paths = dict.fromkeys(os.fspath(source) for source in sources)
    for folder in filter(os.path.isdir, paths):
        remedy = f"give the files in it: pathlib.Path({folder!r}).glob('*.weights')"
        raise UsageError("is a directory", path=folder, remedy=remedy)
    targets = {source: _target(source, out) for source in paths}
    taken: dict[str, str] = {}
    for source, target in targets.items():
        other = taken.setdefault(os.path.normcase(target), source)
        if other != source:
            raise UsageError(f"would be written to the same file as {other}: {target}", path=source)
    if out is not None and not remote.is_url(out):
        make_folder(Path(out))
    if executor is None:
        return _by_processes(targets, workers or os.cpu_count() or 1, **options)
    return _by_executor(targets, executor, **options)


def _require_folders_name(out: str) -> None:
    if Path(out).suffix in _FILES and not is_folder(out):
        raise UsageError(
            "is a file's name, and many are written into a folder",
            path=out,
            remedy="give a folder's name, or end it with /",
        )


def _by_executor(
    targets: Mapping[str, str], executor: Executor, **options: Any
) -> Iterator[Result]:
    with _ignoring_interrupts():
        jobs = {executor.submit(_convert, *pair, options): pair[0] for pair in targets.items()}
    for source, future in _completed(jobs):
        error = future.exception()
        if isinstance(error, Exception):
            yield _failed(source, f"was given up: {type(error).__name__}: {error}")
        else:
            yield future.result()


def _by_processes(targets: Mapping[str, str], workers: int, **options: Any) -> Iterator[Result]:
    """Results as they come.

    When a process is killed its pool is lost. What is left is then done one after the other, so
    that it is known which file the next process is lost with: that one is given up. Where none
    even starts, all are.
    """
    # Late: their import costs more than planning, and one file needs no other process.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Fresh processes: a fork would copy whatever threads the caller has.
    context = multiprocessing.get_context("spawn")
    if portable.WINDOWS:
        workers = min(workers, _MOST_ON_WINDOWS)
    left = dict(targets)
    while left:
        started = context.Semaphore(0)
        with ProcessPoolExecutor(workers, context, _begin, (started, RUNNING.get())) as pool:
            # What starts now inherits it, and so is never interrupted half-way up.
            with _ignoring_interrupts(), _main_module_left_alone():
                jobs = {
                    pool.submit(_convert_alone, *pair, options): pair[0] for pair in left.items()
                }
            for source, future in _completed(jobs):
                if not isinstance(future.exception(), BrokenProcessPool):
                    del left[source]
                    yield future.result()
        if left and workers == 1:
            if not started.acquire(block=False):
                for source in left:
                    yield _failed(source, "was given up: no process could be started for it")
                return
            lost = next(iter(left))
            del left[lost]
            yield _failed(lost, "was given up: its process was killed, perhaps for want of memory")
        workers = 1


def _completed(jobs: Mapping[Future[Result], str]) -> Iterator[tuple[str, Future[Result]]]:
    """Each source when it is done; those that nobody waits for any more are not begun."""
    from concurrent.futures import as_completed

    try:
        for future in as_completed(jobs):
            yield jobs[future], future
    except BaseException:
        for future in jobs:
            future.cancel()
        raise


def _failed(source: str, problem: str) -> Result:
    error = WeightsError(problem, path=source, remedy="convert it alone")
    facts = {"source": source, "schema": 1, "error": error.as_dict()}
    return Result(source=source, facts=facts, messages=())


def _target(source: str, folder: PathLike | None) -> str:
    target = default_output(source)
    return str(target) if folder is None else remote.in_folder(folder, target.name)


def _begin(started: Semaphore, running: tuple[str, ...] | None) -> None:
    """Begin a process of the pool: keep messages for the parent, and end when it does.

    A worker would else wait for work for ever.
    """
    from multiprocessing import parent_process

    started.release()
    RUNNING.set(running)  # so that remedies speak to whoever called the parent
    logger = logging.getLogger("converter")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    parent = parent_process()
    assert parent is not None  # this is no main process

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C while the block runs: between jobs it is for the parent alone to handle.

    Only the main thread gets it, and only there it can be ignored.
    """
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _main_module_left_alone() -> Iterator[None]:
    """Start processes that do not import the main module while the block runs.

    They need nothing of it, and a script without ``if __name__ == "__main__":`` would run again in
    each. A module whose name says no more than ``__main__`` is not imported: cpython@v3.11.7
    Lib/multiprocessing/spawn.py:256.
    """
    main = sys.modules["__main__"]
    with _STARTING:
        before = main.__spec__
        main.__spec__ = ModuleSpec("__main__", None)
        try:
            yield
        finally:
            main.__spec__ = before


def _convert_alone(source: str, target: str, options: Mapping[str, Any]) -> Result:
    """The same in a process of our own, where Ctrl-C ends the one file that is at work."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return _convert(source, target, options)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tidy(target)
    return _failed(source, "was interrupted")


def _convert(source: str, target: str, options: Mapping[str, Any]) -> Result:
    """One file, in whatever thread of whatever process."""
    with _logged() as lines:
        try:
            facts = convert(source, target, **options).as_dict()
        except DarknetError as error:
            facts = {"schema": 1, "error": error.as_dict()}
        except ModuleNotFoundError as error:
            facts = {"schema": 1, "error": missing(error).as_dict()}
    if "error" in facts:
        _tidy(target)
    return Result(
        source=source,
        facts={"source": source, **facts},
        messages=tuple(lines.getvalue().splitlines()),
    )


def _tidy(target: str) -> None:
    """Remove what a failure left.

    One that came just before there was a cleanup. Only when it is over: until then the exception
    keeps the lock open.
    """
    if not remote.is_url(target):
        remove_leftovers(Path(target))


@contextmanager
def _logged() -> Iterator[StringIO]:
    """What this thread logs meanwhile, line by line, for the caller to log."""
    logger, lines, thread = logging.getLogger("converter"), StringIO(), get_ident()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(OneLine())
    handler.addFilter(lambda record: record.thread == thread)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
