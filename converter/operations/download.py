"""Downloads of published files: resumed, checked, never taken for whole when they are not.

A file grows in a folder of its own beside its target (see ``target``) and gets its name only after
it was read back and had a published hash; of weights whose hash nobody states, the size that their
header and their network ask for. Whatever goes wrong on the way, the part stays for the
next run to go on from; it is emptied only when it has proven wrong, or when a server sends the
whole from its beginning.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests

from converter.darknet.header import Header
from converter.errors import DownloadError, OutputError, WeightsError, argument, require_text
from converter.files import sniff
from converter.files.target import Unfinished, require_space
from converter.notebook import progress_bar
from converter.official import RemoteFile, TextFile
from converter.options import PathLike
from converter.published import PublicFile, find_published
from converter.records import dataclass
from converter.version import TOOL

Content = BufferedRandom | BufferedReader
Progress = Callable[[int, int], None]  # (bytes that are there, bytes of the whole)

TIMEOUT = (10.0, 30.0)  # seconds: to connect, and between two packets
WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before all servers are asked once more
MAX_REDIRECTS = 10  # a GitHub release takes one
CHUNK = 1 << 16

# What an error says, and whether asking again would not help; of two that fit, the first.
_FAULTS = (
    (requests.exceptions.SSLError, "failed the TLS handshake", True),
    (requests.TooManyRedirects, f"redirected more than {MAX_REDIRECTS} times", True),
    (requests.exceptions.ProxyError, "could not be reached through the proxy", False),
    (requests.Timeout, "did not answer in time", False),
    (requests.ConnectionError, "could not be reached", False),
)

log = logging.getLogger("converter")


@dataclass(frozen=True, kw_only=True)
class Download:
    """What ``fetch`` did.

    Attributes:
        status: "downloaded", "already there", or "kept": another file of that name is there.
        path: the file.
        file: what it is, or would have been.
        size: its bytes.
        digest: the hash that it was found to have; "" if it was kept. It is a published one, or one
            that nobody states, of a file that was checked for its size alone.
    """

    status: Literal["downloaded", "already there", "kept"]
    path: Path
    file: RemoteFile
    size: int
    digest: str

    def as_dict(self) -> dict[str, object]:
        """What ``download --json`` prints of one file."""
        return {
            "status": self.status,
            "path": str(self.path),
            "size": self.size,
            "digest": self.digest or None,
            "checked": None if self.status == "kept" else "hash" if self.file.hashes else "size",
            "sources": self.file.hashes.get(self.digest, 0),
        }


def download(name: str, directory: PathLike = ".", *, force: bool = False) -> Path:
    """Bring the published weights ``name`` into ``directory``, their cfg and class names as well.

    A cfg or names of another content that are there already are kept: a cfg is often edited. In a
    notebook the weights have a progress bar, if tqdm is installed.

    Args:
        name: a name in ``published.PUBLISHED``.
        directory: where to put them; made if it does not exist.
        force: replace files of those names that are not the published ones.

    Returns:
        The weights, whose bytes have a published hash; where nobody states one, the right size.

    Raises:
        DarknetError: the reason why there is no such file now.
    """
    require_text({"name": name, "directory": directory})
    file = find_published(os.fspath(name))
    for companion in file.companions:
        fetch(companion, directory, force=force, keep=True)
    with progress_bar(file.file) as progress:
        return fetch(file, directory, force=force, progress=progress).path


def fetch(
    file: RemoteFile,
    directory: PathLike,
    *,
    force: bool = False,
    keep: bool = False,
    progress: Progress | None = None,
    waits: Sequence[float] = WAITS,
    timeout: tuple[float, float] = TIMEOUT,
) -> Download:
    """Bring one file, whichever it is.

    Args:
        file: what to bring.
        directory: where to put it; made if it does not exist.
        force: replace a file of that name that is not the published one.
        keep: leave such a file as it is, without a refusal.
        progress: called after every chunk.
        waits: seconds to wait before each further round over the servers.
        timeout: seconds to connect, and between two packets.

    Raises:
        DownloadError: no server delivered it.
        OutputError: it cannot be put there.
    """
    target = Path(os.path.realpath(Path(directory) / file.file))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        found = _existing(target, file, force=force, keep=keep)
        if found:
            return found
        with _growing(target) as part:
            require_space(target, file.size - _size(part))
            with _session() as session:
                job = _Transfer(
                    file=file, part=part, session=session, timeout=timeout, progress=progress
                )
                digest = job.run(waits)
            part.close()  # an open file is not renamed on Windows
            Path(part.name).replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}",
            path=target,
            remedy="choose another directory",
        ) from error
    return Download(
        status="downloaded", path=target, file=file, size=_length(target), digest=digest
    )


def _existing(target: Path, file: RemoteFile, *, force: bool, keep: bool) -> Download | None:
    """What is to be said of a file that is there already, and stays."""
    if not os.path.lexists(target):
        return None
    if not target.is_file():
        raise OutputError("is not a regular file", path=target, remedy="move it away")
    with target.open("rb") as existing:
        digest, size = _published(existing, file), _size(existing)
    if digest:
        return Download(status="already there", path=target, file=file, size=size, digest=digest)
    if keep and not force:
        return Download(status="kept", path=target, file=file, size=size, digest="")
    if not force:
        raise OutputError(
            f"exists already, and is not the published {file.file}",
            path=target,
            remedy=f"replace it with {argument('--force')}, or choose another directory",
        )
    return None


@contextmanager
def _growing(target: Path) -> Iterator[BufferedRandom]:
    """The growing file: the longest that earlier runs left. An empty one is not left behind."""
    earlier = sorted(Unfinished.left_behind(target), key=lambda work: _length(work.path))
    work = earlier.pop() if earlier else Unfinished.make(target)
    for shorter in earlier:
        shorter.remove()
    with open(work.path, "a+b") as file:
        try:
            yield file
        finally:
            file.close()
            if _length(work.path):
                work.leave()
            else:
                work.remove()


def _length(path: Path) -> int:
    """Bytes of the file; 0 if there is none, as when it was renamed."""
    return path.stat().st_size if path.exists() else 0


def _size(content: Content) -> int:
    return content.seek(0, os.SEEK_END)


def _published(content: Content, file: RemoteFile) -> str | None:
    """The published hash that ``content`` has, if it has one; any, if none is known."""
    if _size(content) != _whole(_head(content), file):
        return None
    for algorithm in sorted({digest.partition(":")[0] for digest in file.hashes} or {"sha256"}):
        content.seek(0)
        digest = f"{algorithm}:{hashlib.file_digest(content, algorithm).hexdigest()}"
        if digest in file.hashes or not file.hashes:
            return digest
    return None


def _head(content: Content) -> bytes:
    content.seek(0)
    return content.read(sniff.HEAD)


def _whole(head: bytes, file: RemoteFile) -> int:
    """Bytes of ``file`` if it begins with ``head``; most of them if that is too short to say."""
    if isinstance(file, PublicFile) and file.old_header:
        with suppress(WeightsError):
            return file.size - 20 + Header.decode(head).size
    return file.size


def _session() -> requests.Session:
    """Proxies, certificates and .netrc are requests' own business (its environment variables)."""
    session = requests.Session()
    session.max_redirects = MAX_REDIRECTS
    # pjreddie.com refuses clients without a name. A compressed answer could not be resumed.
    session.headers["User-Agent"] = TOOL.replace(" ", "/")
    session.headers["Accept-Encoding"] = "identity"
    return session


class _ServerError(Exception):
    """Why one server did not deliver. ``final``: asking it again would not help."""

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


@dataclass(kw_only=True)
class _Transfer:
    """Filling one part from the servers of one file.

    Attributes:
        size: bytes of the whole file, as far as its beginning is known.
        etags: url -> strong ETag of the version that it sent last.
        whole: urls to ask for the whole file, since their answer to a range made no sense.
    """

    file: RemoteFile
    part: BufferedRandom
    session: requests.Session
    timeout: tuple[float, float]
    progress: Progress | None
    size: int = field(init=False)
    etags: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def run(self, waits: Sequence[float]) -> str:
        """Fill the part; the hash that it has then."""
        self.size = _whole(_head(self.part), self.file)
        if _size(self.part) >= self.size:
            digest = self._check()
            if digest:
                return digest
            log.info("%s is not the file: starting anew", self.part.name)
        elif _size(self.part):
            log.info("going on from byte %s of %s", f"{_size(self.part):,}", self.part.name)
        faults: dict[str, _ServerError] = {}
        for wait in (0.0, *waits):
            if wait:
                log.debug("asking again in %g seconds", wait)
            time.sleep(wait)
            for url in self.file.urls:
                if url in faults and faults[url].final:
                    continue
                # A line for each server: what is wrong with them all is said by ``_failed``.
                say = log.debug if url in faults else log.info
                say("%s from %s", self.file.file, url)
                try:
                    return self._try(url)
                except _ServerError as fault:
                    log.debug("%s: %s", url, fault)
                    faults[url] = fault
            if all(fault.final for fault in faults.values()):
                break
        raise self._failed(faults)

    def _failed(self, faults: dict[str, _ServerError]) -> DownloadError:
        reasons = "; ".join(f"{urlsplit(url).hostname} {fault}" for url, fault in faults.items())
        kept = _size(self.part)
        remedy = "check the connection, or the proxy settings, and run it again"
        if kept:
            remedy += f": it goes on from byte {kept:,}"
        return DownloadError(
            f"could not be downloaded: {reasons}", path=self.file.file, remedy=remedy
        )

    def _try(self, url: str) -> str:
        start = _size(self.part)
        with self._get(url, start) as response:
            begun = self._position(response, url, start)
            self._receive(response, begun)
        digest = self._check()
        if digest is None:
            # After a resumption it may only be that the two parts are of two versions.
            raise _ServerError("sent other bytes than were published", final=begun == 0)
        return digest

    def _check(self) -> str | None:
        digest = _published(self.part, self.file)
        if digest is None:
            self.part.truncate(0)
        return digest

    def _get(self, url: str, start: int) -> requests.Response:
        headers = {}
        if start and url not in self.whole:
            headers["Range"] = f"bytes={start}-"
            # RFC 9110 section 13.1.5: a server whose file has changed now sends the whole.
            if url in self.etags:
                headers["If-Range"] = self.etags[url]
        try:
            return self.session.get(url, headers=headers, stream=True, timeout=self.timeout)
        # requests' own errors are OSErrors; a missing certificate bundle is a plain one, and a
        # redirection to something that is no address may be a ValueError.
        except (OSError, ValueError) as error:
            raise _describe(error) from error

    def _receive(self, response: requests.Response, at: int) -> None:
        """Append the answer, which begins at byte ``at``."""
        # A connection that breaks off is noticed by the size, as is one that just ends.
        with suppress(requests.RequestException):
            for chunk in response.iter_content(CHUNK):
                if at == 0:
                    self._begin(response, chunk)
                at += len(chunk)
                if at > self.size:
                    self.part.truncate(0)
                    raise _ServerError(f"sent more than {self.size:,} bytes", final=True)
                self.part.write(chunk)
                if self.progress:
                    self.progress(at, self.size)
        if at < self.size:
            raise _ServerError(f"broke off at byte {at:,} of {self.size:,}", final=False)

    def _position(self, response: requests.Response, url: str, start: int) -> int:
        """The byte with which the answer begins: 0, or ``start``."""
        status, etag = response.status_code, response.headers.get("ETag", "")
        if status == requests.codes.ok:
            start = 0
        elif status == requests.codes.partial_content:
            # RFC 9110 section 14.4. A total of "*" is unknown.
            range_ = f"bytes {start}-{self.size - 1}"
            sent = response.headers.get("Content-Range")
            as_asked = sent in (f"{range_}/{self.size}", f"{range_}/*")
            if not as_asked or self.etags.get(url, etag) != etag:
                self.whole.add(url)
                raise _ServerError("sent another part than was asked for", final=False)
        elif status == requests.codes.requested_range_not_satisfiable and start:
            self.whole.add(url)
            raise _ServerError(f"has no byte {start:,}", final=False)
        else:
            # 408 and 429 ask to come back later, as do errors of the server.
            final = status < 500 and status not in (408, 429)
            raise _ServerError(f"answered with HTTP status {status}", final=final)
        # RFC 9110 section 13.1.5: a weak one, W/"...", may not be sent back in If-Range.
        if etag.startswith('"'):
            self.etags[url] = etag
        return start

    def _begin(self, response: requests.Response, chunk: bytes) -> None:
        """Look at the first bytes of a whole file before the part is given up for it."""
        foreign = sniff.not_cfg if isinstance(self.file, TextFile) else sniff.not_weights
        found = foreign(chunk[: sniff.HEAD])
        if found:
            raise _ServerError(f"sent {found.name}", final=True)
        self.size = _whole(chunk, self.file)
        length = response.headers.get("Content-Length", str(self.size))
        if length != str(self.size):
            raise _ServerError(
                f"has a file of {length[:20]} bytes instead of {self.size}", final=True
            )
        self.part.truncate(0)


def _describe(error: Exception) -> _ServerError:
    for kind, text, final in _FAULTS:
        if isinstance(error, kind):
            return _ServerError(text, final=final)
    return _ServerError(f"could not be asked: {str(error)[:200]}", final=True)
