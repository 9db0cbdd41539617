#!/usr/bin/env python3
"""The package as others get it: built, checked, installed where no checkout is, and used there.

python tests/package/run.py
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ROOT / "tests/data/shapes"
PACKAGES = ("converter", "yolov3")
NOT_OURS = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")


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
        facts = Parser().parsestr(archive.read(name).decode())
    require(inside == ours, f"the wheel lacks or adds {sorted(inside ^ ours)}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    require(ours <= names, f"the sdist lacks {sorted(ours - names)}")
    require({"LICENSE", "README.md", "pyproject.toml"} <= names, "the sdist lacks its own pages")
    require(not any(name.startswith("tests") for name in names), "the sdist has some tests")
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
    call("python -m converter --version")


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
