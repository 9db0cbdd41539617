"""Files that are written: whole or not at all, and nobody else's.

A file grows in a folder of its own beside its target, ``.NAME.TOKEN.part``, and is renamed when it
is whole. The token is random, and making a folder fails where something has that name: nothing that
was there before is ever opened for writing. What a run that was killed leaves behind is known by
more than its name: the file ``lock`` in it holds the token, and nobody has locked it any more.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from converter.errors import OutputError, UsageError, argument
from converter.files import portable
from converter.files.lock import try_lock
from converter.files.opening import open_regular
from converter.options import PathLike

_MARK = "unfinished output of darknet-safetensors {}\n"


class Unfinished:
    """The folder in which a file, or a folder of files, grows; locked by this process.

    Attributes:
        folder: that folder.
        path: what grows in it, which may not be there yet.
    """

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self.folder = folder
        self.path = folder / "content"
        self._lock = lock

    @classmethod
    def make(cls, target: Path) -> Self:
        """A new one beside ``target``.

        Raises:
            OSError: there is no place for it.
        """
        while True:
            token = os.urandom(8).hex()
            folder = target.with_name(f".{target.name}.{token}.part")
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                if (lock := _new_lock(folder, token)) is not None:
                    return cls(folder, lock)

    @classmethod
    def left_behind(cls, target: Path, *, alone: bool = True) -> Iterator[Self]:
        """Those of runs that ended before they were done.

        Raises:
            OutputError: another run is at work on ``target``, which should be ``alone`` at it.
        """
        pattern = re.compile(rf"\.{re.escape(target.name)}\.([0-9a-f]{{16}})\.part")
        with os.scandir(target.parent) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        for match in filter(None, map(pattern.fullmatch, names)):
            folder = target.with_name(match[0])
            try:
                lock = _old_lock(folder, match[1])
            except BlockingIOError:
                if alone:
                    raise OutputError("is being written by another run", path=target) from None
                continue
            if lock is not None:
                yield cls(folder, lock)

    def remove(self) -> None:
        """Remove it with what is still in it, and let go of the lock."""
        with suppress(OSError):
            if self.path.is_dir():
                shutil.rmtree(self.path)
            self.path.unlink(missing_ok=True)
            if portable.WINDOWS:
                self.leave()
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()
        self.leave()

    def leave(self) -> None:
        """Let go of the lock, and leave all for the next run."""
        self._lock.close()


def _new_lock(folder: Path, token: str) -> IO[bytes] | None:
    """The lock of a new folder; None if another run took the folder for an old one meanwhile."""
    try:
        lock = open(folder / "lock", "xb", buffering=0)  # noqa: SIM115 - it stays open
    except FileNotFoundError:
        return None
    try:
        if try_lock(lock.fileno()) and os.fstat(lock.fileno()).st_nlink:
            lock.write(_MARK.format(token).encode())
            return lock
    except OSError:  # say, a full disk
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
        raise
    lock.close()
    return None


def _old_lock(folder: Path, token: str) -> IO[bytes] | None:
    """The lock of a folder that a run left behind; None if it is gone, or no run made it.

    Raises:
        BlockingIOError: a run is at work in it.
    """
    mark = _MARK.format(token).encode()
    try:
        names = set(os.listdir(folder))
        if not names:
            folder.rmdir()  # killed before there was a lock; nothing is lost with it
        if "lock" not in names or not names <= {"lock", "content"}:
            return None
        if (folder / "lock").is_symlink():
            return None
        lock = open_regular(folder / "lock", OutputError)
    except (OSError, OutputError):
        return None
    if not try_lock(lock.fileno()):
        lock.close()
        raise BlockingIOError
    written = lock.read(len(mark) + 1)
    # One that was killed while it wrote the mark had made nothing else yet.
    if written == mark or (mark.startswith(written) and names == {"lock"}):
        return lock
    lock.close()
    return None


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Make the folder ``path``, unless it is there; with ``parents``, the folders above it too.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be made a folder: {error.strerror}", path=path, remedy="choose another folder"
        ) from error


@contextmanager
def replacing(path: Path, size: int) -> Iterator[IO[bytes]]:
    """A file that becomes ``path`` if the block ends well, and vanishes if not.

    A symlink is followed, never replaced. What killed runs left for this target is removed.

    Args:
        path: the target.
        size: bytes that it will have.

    Raises:
        OutputError: the target is no regular file, another run is writing it, the disk is too
            small, or writing failed.
    """
    with _growing(path, size) as (target, place):
        with open(place, "x+b") as file:
            _be_like(target, place)
            yield file
        os.replace(place, target)


@contextmanager
def replacing_both(path: Path, beside: Path, size: int) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """As ``replacing``, for a file that names another one, which lies ``beside`` it.

    While they grow they have their names, in one folder. ``beside`` is there first. If it replaces
    an older one, an older ``path`` is removed before: at no moment it names what it was not made
    for.

    Args:
        path: the target.
        beside: the other, in the same folder.
        size: bytes that they will have together.

    Raises:
        OutputError: as ``replacing``; or one of them is a symlink, so that its file may lie
            elsewhere.
    """
    for each in (path, beside):
        if os.path.islink(each):
            raise _unfit(each, "is a symlink, and two files must lie side by side")
        resolved(each)
    with _growing(path, size) as (target, place):
        place.mkdir()
        second = target.with_name(beside.name)
        with open(place / target.name, "x+b") as file, open(place / second.name, "x+b") as other:
            _be_like(target, place / target.name)
            _be_like(target, place / second.name)
            yield file, other
        if second.exists():
            target.unlink(missing_ok=True)
        os.replace(place / second.name, second)
        os.replace(place / target.name, target)


@contextmanager
def _growing(path: Path, size: int) -> Iterator[tuple[Path, Path]]:
    """What ``path`` names in the end, and where on its disk ``size`` bytes can grow until then.

    Raises:
        OutputError: as ``replacing``.
    """
    target = resolved(path)
    # None: a drive of Windows that is not there.
    nearest = next((each for each in target.parents if os.path.lexists(each)), None)
    if nearest and not nearest.is_dir():
        raise _unfit(path, f"cannot be written: {nearest} is no folder")
    if nearest != target.parent:
        raise OutputError(
            f"cannot be written: there is no folder {target.parent}",
            path=path,
            remedy="make it, or choose another output",
        )
    try:
        require_space(target, size)
        for work in Unfinished.left_behind(target):
            work.remove()
        work = Unfinished.make(target)
        try:
            yield target, work.path
        finally:
            work.remove()
    except OSError as error:
        raise _unfit(path, f"cannot be written: {error.strerror}") from error


def _be_like(old: Path, new: Path) -> None:
    """Give a file the mode and owner of the file that it will replace, if there is one."""
    with suppress(FileNotFoundError):
        status = old.stat()
        # Before the mode: who gives a file away loses its set-user-ID bits. Only root can.
        with suppress(PermissionError):
            if hasattr(os, "chown"):
                os.chown(new, status.st_uid, status.st_gid)
        os.chmod(new, stat.S_IMODE(status.st_mode))


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """Write a small file at once; one that is there and holds something else needs ``force``.

    Raises:
        OutputError: it is there, or cannot be written.
    """
    if not is_written(path, data, force=force):
        with replacing(path, len(data)) as file:
            file.write(data)


def is_written(path: Path, data: bytes, *, force: bool) -> bool:
    """Whether a small file need not be written: it is there already.

    Raises:
        OutputError: it is there, holds something else, and needs ``force``.
    """
    if force or not os.path.lexists(path):
        return False
    if path.is_file() and path.read_bytes() == data:
        return True
    raise OutputError("exists already", path=path, remedy=f"replace it with {argument('--force')}")


def another(path: Path) -> OutputError:
    """The refusal of an output that is there, and is not what would be written."""
    return OutputError(
        "exists already, and is not this conversion",
        path=path,
        remedy=f"replace it with {argument('--force')}, or choose another output with"
        f" {argument('-o')}",
    )


def remove_leftovers(path: Path) -> None:
    """Remove what runs that were killed left beside ``path``, unless another run is at it."""
    with suppress(OSError, OutputError):
        for work in Unfinished.left_behind(Path(os.path.realpath(path))):
            work.remove()


def is_folder(path: str) -> bool:
    """Whether a name is that of a folder: it is one, or ends as only a folder's name does."""
    return os.path.isdir(path) or path.endswith(("/", os.sep))


def require_other(target: PathLike, *others: PathLike | None) -> None:
    """Refuse to replace a file that the same call reads or writes under another name.

    Raises:
        UsageError: ``target`` is one of ``others``.
    """
    if not identities(target).isdisjoint(identities(*others)):
        raise UsageError(
            "is an input, or another output", path=target, remedy="choose another output"
        )


def identities(*paths: PathLike | None) -> set[object]:
    """What distinguishes files, by whatever name: where they are, and which they are if there."""
    found: set[object] = set()
    for path in paths:
        with suppress(OSError, ValueError):  # ValueError: a zero byte, the name of no file
            if path is not None:
                found.add(os.path.normcase(os.path.realpath(path)))
                status = os.stat(path)
                found.add((status.st_dev, status.st_ino))
    return found


def resolved(path: Path) -> Path:
    """What ``path`` names in the end: a regular file, or nothing yet.

    Raises:
        OutputError: it is something else.
    """
    if portable.is_reserved(os.path.basename(path)):
        raise _unfit(path, "is no file's name on Windows")
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # realpath() gives up on a loop
            raise _unfit(path, "is a symlink to itself")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise _unfit(path, "is not a regular file")
    except ValueError as error:
        raise OutputError("cannot be written: a zero byte in its name", path=path) from error
    except OSError as error:  # say, too long a name
        raise _unfit(path, f"cannot be written: {error.strerror}") from error
    return target


def _unfit(path: Path, problem: str) -> OutputError:
    return OutputError(problem, path=path, remedy="choose another output")


def require_space(target: Path, size: int) -> None:
    """Check that ``size`` more bytes fit on the disk of ``target``.

    Raises:
        OutputError: they do not.
    """
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise OutputError(
            f"needs {size:,} bytes, and its disk has {free:,} free",
            path=target,
            remedy="free some space, or choose another disk",
        )
