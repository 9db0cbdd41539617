"""As much of Windows as Linux can imitate, for programs that were written on Linux.

    import windows; windows.imitate()       in a process of its own, before anything else
    python -m pytest -p windows TESTS       the same for tests

Modules and functions that Windows lacks are gone, ``msvcrt`` is there, and files that are open or
mapped cannot be replaced, renamed or removed. What it cannot show: paths with drives and
backslashes, and what Windows' own functions do.
"""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

MODULES = (
    "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty",
)  # fmt: skip
OF_OS = (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "RTLD_DEEPBIND", "RTLD_NOW", "chown",
    "chroot", "copy_file_range", "fchmod", "fchown", "fork", "getegid", "geteuid", "getgid",
    "getpgid", "killpg", "lchown", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite",
    "pwritev", "sendfile", "setsid", "sysconf", "wait4",
)  # fmt: skip
OF_SIGNAL = (
    "SIGALRM", "SIGCHLD", "SIGHUP", "SIGPIPE", "SIGQUIT", "SIGUSR1", "alarm",
    "pthread_sigmask", "setitimer",
)  # fmt: skip


class Msvcrt(ModuleType):
    """Locks one byte behind all contents, as long as the handle is open."""

    LK_NBLCK = 2
    calls = 0

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert position >= os.fstat(descriptor).st_size, "others could not read what is locked"
        type(self).calls += 1
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None


def in_use(path: str | os.PathLike[str]) -> bool:
    """Whether this process has the file open or mapped."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(status, os.fstat(int(descriptor))):
                return True
        except OSError:  # that of the listing itself
            continue
    real = os.path.realpath(path)
    return any(
        line.endswith(f" {real}") for line in Path("/proc/self/maps").read_text().split("\n")
    )


def guarded(function):
    def call(*paths, dir_fd=None, **options):
        named = [os.fspath(path) for path in paths]
        if dir_fd is not None:
            folder = os.readlink(f"/proc/self/fd/{dir_fd}")
            named = [os.path.join(folder, name) for name in named]
        for name in named:
            if os.path.isfile(name) and in_use(name):
                raise PermissionError(errno.EACCES, "The file is used by another process", name)
        return function(*paths, **({} if dir_fd is None else {"dir_fd": dir_fd}), **options)

    return call


def imitate() -> None:
    """Make this process, not those that it starts, one of Windows in these regards."""
    assert subprocess  # it has chosen what it uses
    shutil._USE_CP_SENDFILE = False
    tempfile.gettempdir()
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, guarded(getattr(os, name)))
    for name in OF_OS:
        if hasattr(os, name):
            delattr(os, name)
    for name in OF_SIGNAL:
        if hasattr(signal, name):
            delattr(signal, name)
    sys.modules.update(dict.fromkeys(MODULES))
    sys.modules["msvcrt"] = Msvcrt("msvcrt")
    from converter.files import portable

    portable.WINDOWS = True


def pytest_configure(config) -> None:
    imitate()


def pytest_unconfigure(config) -> None:
    print(f"\nlocks through msvcrt: {Msvcrt.calls}")
