#!/usr/bin/env python3
"""The package as others get it: built, checked, installed where no checkout is, and used there.

python tests/package/run.py
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email.parser import Parser
from html.parser import HTMLParser
from pathlib import Path

from readme_renderer.markdown import render

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ROOT / "tests/data/shapes"
PACKAGES = ("converter", "yolov3")
NOT_OURS = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
# Code first: its comments are no headings.
CODE_OR_HEADING = re.compile(r"^```.*?^```$|^#+ [^\n]+$", re.MULTILINE | re.DOTALL)


def require(ok: object, what: str) -> None:
    """Stop if it is not so."""
    if not ok:
        sys.exit(f"package: {what}")


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist and, from that, the wheel; of a copy, for earlier builds leave lists of files."""
    shutil.copytree(ROOT, folder / "source", ignore=NOT_OURS)
    python = [sys.executable, "-m"]
    out = folder / "dist"
    subprocess.run([*python, "build", "--outdir", out, folder / "source"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    subprocess.run([*python, "twine", "check", "--strict", sdist, wheel], check=True)
    return sdist, wheel


class Targets(HTMLParser):
    """What a page links to and shows, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag; a target that the renderer took away for its scheme is empty."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))
        if tag == "img":
            self.pictures.append(values.get("src", ""))


def faults_of(page: str, readme: str) -> list[str]:
    """What is broken on PyPI's page of the text, or lacks of README.md's headings and code."""
    targets = Targets()
    targets.feed(render(page) or "")  # as PyPI does; twine reads no Markdown
    targets.close()
    faults = [] if targets.anchors else ["nothing is rendered; readme_renderer[md] does it"]
    for link in targets.links:
        inside = link.startswith("#") and link[1:] in targets.anchors
        if not inside and not link.startswith(("https://", "http://", "mailto:")):
            faults.append(f"a link leads nowhere: {link!r}")
    faults += [
        f"a picture is not https: {picture!r}"
        for picture in targets.pictures
        if not picture.startswith("https://")
    ]
    there = CODE_OR_HEADING.findall(page)
    wanted = CODE_OR_HEADING.findall(readme)
    if there != wanted:
        lost = [piece for piece in wanted if piece not in there]
        faults.append(f"other headings or code than in README.md; not there: {lost}")
    return faults


def check_page(metadata: bytes, where: str) -> None:
    """The page that PyPI would make of this file's description has no fault."""
    page = Parser().parsestr(metadata.decode()).get_payload()
    faults = faults_of(page, (ROOT / "README.md").read_text(encoding="utf-8"))
    require(not faults, "\n    ".join([f"the page of {where}:", *faults]))


def check_contents(sdist: Path, wheel: Path) -> None:
    """All of both packages is in both; tests are in neither."""
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name)
    require(inside == ours, f"the wheel lacks or adds {sorted(inside ^ ours)}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        (top,) = {name.partition("/")[0] for name in archive.getnames()}
        check_page(archive.extractfile(f"{top}/PKG-INFO").read(), "the sdist")
    check_page(metadata, "the wheel")
    require(ours <= names, f"the sdist lacks {sorted(ours - names)}")
    require({"LICENSE", "README.md", "pyproject.toml"} <= names, "the sdist lacks its own pages")
    require(not any(name.startswith("tests") for name in names), "the sdist has some tests")
    facts = Parser().parsestr(metadata.decode())
    classifiers = facts.get_all("Classifier")
    for wanted in ("Typing :: Typed", *(f"Programming Language :: Python :: 3.{minor}"
                                        for minor in (11, 12, 13))):  # fmt: skip
        require(wanted in classifiers, f"no classifier says {wanted}")
    require(facts["License-Expression"] == "MIT", "the licence is missing")


def use(wheel: Path, folder: Path) -> None:
    """Install it in an empty environment, and convert there and back without a checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "--constraint"]
    subprocess.run([*pip, ROOT / "tests/constraints.txt", wheel], check=True, env=environment)
    here = folder / "here"
    here.mkdir()
    for name in ("shapes.weights", "shapes.cfg", "shapes.names"):
        shutil.copyfile(SHAPES / name, here / name)

    def call(line: str, code: int = 0) -> str:
        program, *arguments = line.split()
        done = subprocess.run(
            [programs / program, *arguments], cwd=here, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        print(f"$ {line}", flush=True)
        require(done.returncode == code, f"{line} ended with {done.returncode}: {done.stderr}")
        return done.stderr if code else done.stdout

    out = call("darknet-safetensors convert shapes.weights")
    require("366 tensors, 249,382 floats" in out and "verified" in out, "it did not convert")
    call("darknet-safetensors verify shapes.weights shapes.safetensors -q")
    call("python -m converter convert shapes.safetensors -o back.weights -q")
    same = (here / "back.weights").read_bytes() == (here / "shapes.weights").read_bytes()
    require(same, "the way back gave other bytes")
    call("darknet-safetensors info shapes.safetensors --json")
    for line in ("detect shapes.safetensors x.png", "report shapes.weights"):
        answer = call(f"darknet-safetensors {line}", code=1)
        require(answer.count("\n") == 1 and "pip install" in answer, "a traceback, or no remedy")
    version = wheel.name.split("-")[1]
    require(version in call("python -m converter --version"), f"it is not version {version}")


def main() -> int:
    """Build, look inside, install, use."""
    with tempfile.TemporaryDirectory() as folder:
        sdist, wheel = build(Path(folder))
        check_contents(sdist, wheel)
        use(wheel, Path(folder))
    print("package: built, checked, installed and used")
    return 0


if __name__ == "__main__":
    sys.exit(main())
