"""A Hugging Face Hub on 127.0.0.1 that holds one commit: as much as pushing and loading ask for.

Paths and answers as huggingface_hub's own client expects them (its hf_api.py, _commit_api.py,
lfs.py and file_download.py). Large files come over Git LFS, whose batch API is documented at
github.com/git-lfs/git-lfs, docs/api/batch.md.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """``files`` are those of the repository's branch main, ``commits`` what was committed."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.repos: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Request(BaseHTTPRequestHandler):
    """One request."""

    server: Hub

    def do_POST(self):
        self._note()
        body = self._body()
        path = self.path.split("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repos.append(name)
            self._json({"url": f"{self.server.url}/{name}", "id": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {
                    "oid": blob["oid"],
                    "size": blob["size"],
                    "actions": {"upload": {"href": f"{self.server.url}/lfs/{blob['oid']}"}},
                }
                for blob in json.loads(body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._json({"error": f"no POST {path}"}, 404)

    def do_PUT(self):
        self._note()
        content = self._body()
        digest = hashlib.sha256(content).hexdigest()
        if self.path != f"/lfs/{digest}":
            self._json({"error": "another hash"}, 400)
            return
        self.server.blobs[digest] = content
        self._json({})

    def do_HEAD(self):
        self._serve(with_body=False)

    def do_GET(self):
        self._serve(with_body=True)

    def _serve(self, *, with_body: bool):
        self._note()
        owner, name, action, *rest = [*self.path.split("?")[0].strip("/").split("/"), "", "", ""]
        content = self.server.files.get(rest[1]) if action == "resolve" else None
        known = f"{owner}/{name}" in self.server.repos
        if content is None or not known:
            code = "EntryNotFound" if known else "RepoNotFound"
            self._json({"error": "Not found"}, 404, X_Error_Code=code)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _commit(self, lines: list[dict]):
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append(value["summary"])
            elif line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.blobs[value["oid"]]
        url = f"{self.server.url}/{self.server.repos[-1]}/commit/{'0' * 40}"
        self._json({"success": True, "commitOid": "0" * 40, "commitUrl": url})

    def _note(self):
        self.server.asked.append(f"{self.command} {self.path}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, value: dict, status: int = 200, **headers: str):
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format, *args):  # noqa: A002 - the base class calls it so
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Hub]:
    """A running Hub, without any repository yet."""
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
