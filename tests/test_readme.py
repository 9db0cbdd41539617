"""What the documents show runs as it stands, and what they name is there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from converter import convert
from converter.cli.download import make_parser
from converter.official import find_cfg
from converter.published import find_published
from tests.converter.families.test_ultralytics_v5 import golden, pickled

ROOT = Path(__file__).parents[1]
SHAPES = ROOT / "tests/data/shapes"
TRAINING = ROOT / "tests/yolov3/training/example.py"  # a minute; test_example.py runs it
VIDEO = ROOT / "tests/yolov3/detection/video.py"  # of a clip; test_video.py makes one and runs it
ELSEWHERE = (TRAINING.read_text(), VIDEO.read_text())
READMES = ("README.md", "README.ko.md")
DOCUMENTS = (
    *READMES, "tests/README.md", "tests/data/README.md", ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
)  # fmt: skip
PROGRAM = "darknet-safetensors "
WRITTEN = ("-o", "--table-out", "--cfg-out")  # options whose value is a file that is not there yet


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(language: str, document: str = "README.md") -> list[str]:
    found = re.findall(
        rf"^```{language}\n(.*?)^```$", text_of(document), flags=re.MULTILINE | re.DOTALL
    )
    return [each for each in found if isinstance(each, str)]


def prose(document: str) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(document), flags=re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[str]:
    """Each line that a reader can paste, without the program's name, but for the first block's."""
    inside = "".join(blocks("sh", document)[1:]).splitlines()
    inside += re.findall(r"`([^`\n]+)`", prose(document))
    return [line.removeprefix(PROGRAM) for line in inside if line.startswith(PROGRAM)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """What the first block leaves in a checkout."""
    output = tmp_path_factory.mktemp("readme") / "shapes.safetensors"
    convert(SHAPES / "shapes.weights", output)
    return output


BLOCKS = [
    (document, number)
    for document in DOCUMENTS
    for number in range(len(blocks("python", document)))
]


@pytest.mark.parametrize(
    ("document", "number"),
    [each for each in BLOCKS if blocks("python", each[0])[each[1]] not in ELSEWHERE],
)
def test_python(sample, tmp_path, document, number):
    shutil.copyfile(sample, tmp_path / sample.name)
    shutil.copytree(SHAPES, tmp_path / "tests/data/shapes")
    run(tmp_path, "-c", blocks("python", document)[number])


def test_the_example_of_training_is_the_one_that_is_run_elsewhere():
    assert TRAINING.read_text() in blocks("python", "tests/README.md")


@pytest.mark.parametrize("document", READMES)
def test_the_example_of_a_video_is_the_one_that_is_run_elsewhere(document):
    assert VIDEO.read_text() in blocks("python", document)


def test_types(tmp_path):
    """Pyright, as many editors run it, has nothing to say about any block."""
    for document, number in BLOCKS:
        file = tmp_path / f"{re.sub('[^a-z]', '_', document.lower())}_{number}.py"
        file.write_text(blocks("python", document)[number], encoding="utf-8")
    settings = {"typeCheckingMode": "basic", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """What readers may have: each file that a command names, made of the sample."""
    folder = tmp_path_factory.mktemp("mine")
    for ending in ("weights", "cfg", "names"):
        shutil.copyfile(SHAPES / f"shapes.{ending}", folder / f"my.{ending}")
    with Image.open(SHAPES / "images/0003.png") as picture:
        picture.save(folder / "photo.jpg")
    shutil.copytree(SHAPES / "val", folder / "val")
    (folder / "weights").mkdir()
    for ending in ("weights", "cfg", "names"):
        shutil.copyfile(SHAPES / f"shapes.{ending}", folder / f"weights/one.{ending}")
    weights = folder / "my.weights"
    convert(weights, folder / "my.safetensors")
    convert(weights, folder / "trained.pth", family="mmdet")
    convert(weights, folder / "theirs.pth", family="dena")
    pickled(folder / "best.pt", golden("yolov3")[0])
    run(folder, "-m", "converter", "export", "my.weights")
    found = ("--match", "my.weights", "--table-out", "names.json")
    run(folder, "-m", "converter", "info", "theirs.pth", *found)
    return folder


def test_both_pages_show_the_same():
    assert commands("README.md") == commands("README.ko.md")
    assert blocks("sh", "README.md") == blocks("sh", "README.ko.md")
    english, korean = (
        [re.sub(r" *#.*", "", block) for block in blocks("python", page)] for page in READMES
    )
    assert english == korean


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.engine] if "--against darknet" in line else [])
        for line in dict.fromkeys(line for each in DOCUMENTS for line in commands(each))
    ],
)
def test_a_command(mine, tmp_path, line):
    arguments = shlex.split(line)
    if arguments[0] == "download":  # from the public hosts, which tests do not ask
        parsed = make_parser("download").parse_args(arguments[1:])
        assert find_cfg(parsed.cfg) if parsed.cfg else find_published(parsed.name)
        return
    given = [word for before, word in pairwise(["", *arguments]) if before not in WRITTEN]
    for name in {"my.cfg", "my.names", *(word.rstrip("/") for word in given)}:
        if (mine / name).is_dir():
            shutil.copytree(mine / name, tmp_path / name)
        elif (mine / name).exists():
            shutil.copyfile(mine / name, tmp_path / name)
    run(tmp_path, "-m", "converter", *arguments)
    for before, word in pairwise(arguments):
        assert before not in WRITTEN or (tmp_path / word).exists()


@pytest.mark.parametrize("document", READMES)
def test_no_two_commands_write_the_same_file(document):
    """Readers may run one after the other in the same folder."""
    lines = (shlex.split(line) for line in dict.fromkeys(commands(document)))
    written = [word for line in lines for before, word in pairwise(line) if before in WRITTEN]
    assert len(written) > 5
    assert len(written) == len(set(written)), written


def anchors(document: str) -> set[str]:
    """Of headings, as GitHub makes them, and PyPI with ``user-content-`` before."""
    headings = re.findall(r"^#+ (.+)$", prose(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        name, _, anchor = target.partition("#")
        if name.startswith("https://"):
            continue
        file = (ROOT / document).parent / name if name else ROOT / document
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors(file.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("document", READMES)
def test_a_page_can_be_read_in_one_go(document):
    assert len(text_of(document).splitlines()) < 300


@pytest.mark.parametrize("document", DOCUMENTS)
def test_extras_that_are_named_are_there(document):
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    named = re.findall(r"'\.\[([\w,-]+)\]'", text_of(document))
    assert set(",".join(named).split(",")) - {""} <= extras.keys()


@pytest.mark.parametrize("document", READMES)
def test_nothing_is_installed_by_a_name_that_is_not_ours(document):
    for line in re.findall(r"pip install ([^`\n&]+)", text_of(document)):
        words = [word for word in shlex.split(line) if not word.startswith("-")]
        assert words[0].startswith(".") or words[0] in ("PATH", "torch"), line


@pytest.mark.parametrize("document", READMES)
def test_the_gate_is_one_command(document):
    assert "scripts/check\n" in blocks("sh", document)
    assert (ROOT / ".ci/run").read_text().endswith("exec scripts/check\n")


@pytest.mark.slow
def test_a_new_user(tmp_path):
    """The first block, in a fresh clone and a fresh environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    fresh = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    first = blocks("sh")[0]
    assert first.count("\n") == 1
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", first],
        cwd=tmp_path, env=fresh, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "shapes.safetensors: 366 tensors, 249,382 floats, yolov3, 3 classes, verified"
    )
    assert (tmp_path / "shapes.safetensors").is_file()
