"""A server on 127.0.0.1 that answers as badly as a test asks."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    server: "Server"

    def do_GET(self):
        """Answer as the next behaviour does; the last one stays."""
        self.server.asked.append(self)
        behaviours = self.server.behaviours
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        behaviour(self)

    def log_message(self, format, *args):  # noqa: A002 - the base class calls it so
        """Say nothing."""

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole answer; ``Content_Length="12"`` is the header Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    @property
    def first(self) -> int:
        """The first byte that the client asks for."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


Behaviour = Callable[[Request], None]


class Server(ThreadingHTTPServer):
    """Keeps what it was asked. ``ended`` is set when it is to stop."""

    daemon_threads = True

    def __init__(self, behaviours: list[Behaviour]):
        super().__init__(("127.0.0.1", 0), Request)
        self.behaviours = behaviours
        self.asked: list[Request] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """Where its file is."""
        return f"http://127.0.0.1:{self.server_port}/toy.weights"

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of every request so far."""
        return [request.headers.get("Range") for request in self.asked]

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[Server]:
    """A running server."""
    with Server(list(behaviours)) as server:
        # Polled often, so that a test does not wait half a second for its end.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def whole(content: bytes, **headers: str) -> Behaviour:
    """All of it, whatever was asked for."""
    return lambda request: request.say(
        200, content, **{"Content_Length": str(len(content)), **headers}
    )


def ranged(content: bytes, **headers: str) -> Behaviour:
    """As RFC 9110 wants it, without conditions."""

    def answer(request: Request) -> None:
        if not request.first:
            whole(content, **headers)(request)
            return
        rest = content[request.first :]
        request.say(
            206,
            rest,
            Content_Length=str(len(rest)),
            Content_Range=f"bytes {request.first}-{len(content) - 1}/{len(content)}",
            **headers,
        )

    return answer


def shelf(files: Mapping[str, bytes]) -> Behaviour:
    """Whichever of them is asked for, by the last part of its path."""

    def answer(request: Request) -> None:
        content = files.get(request.path.rpartition("/")[2])
        (status(404) if content is None else ranged(content))(request)

    return answer


def cut(content: bytes, sent: int, **headers: str) -> Behaviour:
    """Promise all, send ``sent`` bytes, close."""
    return whole(content[:sent], Content_Length=str(len(content)), **headers)


def reset(content: bytes, sent: int) -> Behaviour:
    """Promise all, send ``sent`` bytes, reset the connection."""

    def answer(request: Request) -> None:
        cut(content, sent)(request)
        # The client must have read them: a reset throws away what it has not.
        request.server.ended.wait(0.1)
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.connection.close()

    return answer


def stall(content: bytes, sent: int) -> Behaviour:
    """Promise all, send ``sent`` bytes, then nothing any more."""

    def answer(request: Request) -> None:
        cut(content, sent)(request)
        request.server.ended.wait(20)

    return answer


def silent(request: Request) -> None:
    """Not a byte."""
    request.server.ended.wait(20)
    request.close_connection = True


def status(code: int, **headers: str) -> Behaviour:
    """Nothing but a status."""
    return lambda request: request.say(code, Content_Length="0", **headers)


def garbage(request: Request) -> None:
    """No HTTP at all."""
    request.wfile.write(b"\0\1\2\3 hello\r\n\r\n")
