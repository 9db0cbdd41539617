"""Models as Hugging Face folders and repositories; never the real Hub."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nets
import pytest
import torch

import yolov3
from converter import CheckpointError, ExtraError, OutputError, convert, verify
from tests.yolov3.hub_server import serving
from yolov3 import Darknet53, DarknetModel, YOLOv3, load, save

ROOT = Path(__file__).parents[3]


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own: huggingface_hub reads its variables when imported."""
    environment = {
        # not through this machine's proxy
        **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(folder / "home"),
        # Uploads go over Git LFS; the Hub's newer protocol, Xet, has no open server.
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_not_a_token",
        **variables,
    }
    return subprocess.run(
        # not error::DeprecationWarning: huggingface_hub 2.4 itself calls httpx in a deprecated way
        [sys.executable, "-W", "error", "-W", "default::DeprecationWarning", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


class TestFolder:
    def test_it_holds_the_very_checkpoint_that_convert_wrote(self, sample, tmp_path):
        path = convert(sample.weights).output
        load(path).save_pretrained(tmp_path / "folder")
        assert {p.name for p in (tmp_path / "folder").iterdir()} == {
            "model.safetensors", "config.json", "README.md",
        }  # fmt: skip
        written = tmp_path / "folder" / "model.safetensors"
        assert written.read_bytes() == path.read_bytes()
        assert verify(sample.weights, written).ok

    def test_it_can_be_loaded(self, sample, tmp_path):
        model = load(convert(sample.weights).output)
        model.save_pretrained(tmp_path / "folder")
        x = torch.rand(1, 3, 192, 192)
        for again in (load(tmp_path / "folder"), YOLOv3.from_pretrained(tmp_path / "folder")):
            assert again.names == ["circle", "square", "triangle"]
            assert all(torch.equal(a, b) for a, b in zip(model(x), again(x), strict=True))

    def test_options_of_load_reach_it(self, sample, tmp_path):
        load(convert(sample.weights).output).save_pretrained(tmp_path / "folder")
        model = YOLOv3.from_pretrained(
            tmp_path / "folder", bn="pjreddie-cpu", dtype=torch.float64, revision="main"
        )
        assert type(model.backbone.stem[0].bn).__name__ == "PjreddieBatchNorm2d"
        assert next(model.parameters()).dtype == torch.float64

    def test_the_class_must_be_the_models(self, sample, tmp_path):
        load(convert(sample.weights).output).save_pretrained(tmp_path / "folder")
        with pytest.raises(CheckpointError, match="holds a YOLOv3, not a Darknet53"):
            Darknet53.from_pretrained(tmp_path / "folder")

    @pytest.mark.parametrize(
        ("text", "cls"),
        [(nets.classifier(2, 7, 64), Darknet53), (nets.yolov3(2, 3, size=64), DarknetModel)],
    )
    def test_other_models(self, make, tmp_path, text, cls):
        family = "generic" if cls is DarknetModel else "auto"
        path = convert(make(text).weights, family=family).output
        load(path).save_pretrained(tmp_path / "folder")
        cls.from_pretrained(tmp_path / "folder")
        assert (tmp_path / "folder" / "model.safetensors").read_bytes() == path.read_bytes()

    def test_config(self, sample, tmp_path):
        load(convert(sample.weights).output).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["architectures"] == ["YOLOv3"]
        assert config["classes"] == 3
        assert config["names"] == ["circle", "square", "triangle"]
        assert config["input_size"] == [192, 192]
        assert config["anchors"][0][0] == [14, 15]  # shapes.cfg: mask 0 of the finest level

    def test_a_card_is_kept(self, sample, tmp_path, caplog):
        (tmp_path / "README.md").write_text("mine")
        load(convert(sample.weights).output).save_pretrained(tmp_path)
        assert (tmp_path / "README.md").read_text() == "mine"
        assert "README.md is kept" in caplog.text

    def test_a_folder_that_cannot_be_made(self, sample, tmp_path):
        (tmp_path / "file").write_text("")
        model = load(convert(sample.weights).output)
        with pytest.raises(OutputError, match="cannot be written"):
            model.save_pretrained(tmp_path / "file" / "folder")


FILES = ("config.json", "README.md", "model.safetensors")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As if the disk were full after so many bytes of any file: write() fails with EFBIG."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class TestFullDisk:
    @pytest.fixture
    def new(self, sample):
        return load(convert(sample.weights).output).replace_heads(2, names=["cat", "dog"])

    @pytest.fixture
    def sizes(self, new, tmp_path) -> dict[str, int]:
        new.save_pretrained(tmp_path / "sizes")
        return {name: len(data) for name, data in contents(tmp_path / "sizes").items()}

    # The configuration is smaller than the card, and the card than the model.
    @pytest.mark.parametrize("fails", FILES)
    @pytest.mark.parametrize("with_card", [False, True])
    def test_the_old_folder_stays_as_it_was(self, sample, new, sizes, tmp_path, fails, with_card):
        folder = tmp_path / "folder"
        load(convert(sample.weights).output).save_pretrained(folder)
        if not with_card:
            (folder / "README.md").unlink()
        before = contents(folder)
        with largest_file(sizes[fails] - 1), pytest.raises(OutputError, match="cannot be written"):
            new.save_pretrained(folder)
        assert contents(folder) == before

    @pytest.mark.parametrize("fails", FILES)
    def test_a_new_folder_holds_nothing(self, new, sizes, tmp_path, fails):
        with largest_file(sizes[fails] - 1), pytest.raises(OutputError, match="cannot be written"):
            new.save_pretrained(tmp_path / "folder")
        assert contents(tmp_path / "folder") == {}

    def test_the_model_gets_its_name_last(self, new, tmp_path, monkeypatch):
        named = []

        def replace(source, target):
            named.append(Path(target).name)
            rename(source, target)

        rename = os.replace
        monkeypatch.setattr(os, "replace", replace)
        new.save_pretrained(tmp_path / "folder")
        assert sorted(named) == sorted(FILES)
        assert named[-1] == "model.safetensors"


class TestRefusals:
    def test_a_fused_model(self, sample, tmp_path):
        model = load(convert(sample.weights).output).fuse()
        with pytest.raises(CheckpointError, match=r"stem\.0\.bn\.bias.*fused"):
            save(model, tmp_path / "x.safetensors")
        assert not (tmp_path / "x.safetensors").exists()

    def test_half_precision(self, sample, tmp_path):
        model = load(convert(sample.weights).output, dtype=torch.float16)
        with pytest.raises(CheckpointError, match=r"float16.*model\.float\(\)"):
            save(model, tmp_path / "x.safetensors")

    def test_a_model_of_no_checkpoint(self, tmp_path):
        with pytest.raises(CheckpointError, match="comes from no checkpoint"):
            Darknet53(width=2, num_classes=3).save_pretrained(tmp_path)

    def test_the_articles_wiring(self, sample, tmp_path):
        path = convert(sample.weights, family="article").output
        with pytest.raises(CheckpointError, match="article's wiring"):
            load(path, strict=False).save_pretrained(tmp_path / "folder")

    def test_without_huggingface_hub(self, sample, tmp_path, monkeypatch):
        model = load(convert(sample.weights).output)
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        monkeypatch.delitem(sys.modules, "yolov3.sharing.hub", raising=False)
        monkeypatch.delattr(yolov3.sharing, "hub", raising=False)
        with pytest.raises(ExtraError, match=r"pip install torch huggingface_hub"):
            model.save_pretrained(tmp_path)


def test_importing_yolov3_does_not_import_huggingface_hub(tmp_path):
    script = "import sys, yolov3; print('huggingface_hub' in sys.modules)"
    assert run(script, tmp_path).stdout == "False\n"


PUSH_AND_FETCH = """
import torch, yolov3
model = yolov3.load("shapes.safetensors")
print(model.push_to_hub("me/shapes", licence="mit", commit_message="Push shapes"))
again = yolov3.YOLOv3.from_pretrained("me/shapes")
x = torch.rand(1, 3, 192, 192)
assert all(torch.equal(a, b) for a, b in zip(model(x), again(x)))
offline = yolov3.YOLOv3.from_pretrained("me/shapes", local_files_only=True)
assert offline.names == ["circle", "square", "triangle"]
"""


def test_push_and_fetch(sample, tmp_path):
    path = convert(sample.weights).output
    with serving() as hub:
        done = run(PUSH_AND_FETCH, tmp_path, HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{hub.url}/me/shapes/commit/{'0' * 40}\n"
        assert hub.repos == ["me/shapes"]
        assert hub.commits == ["Push shapes"]
        assert hub.files.keys() == {"model.safetensors", "config.json", "README.md"}
        assert hub.files["model.safetensors"] == path.read_bytes()
        assert b"license: mit" in hub.files["README.md"]


FAILING = """
import sys, yolov3
from converter.errors import DarknetError
model = yolov3.load("shapes.safetensors")
for attempt in (
    lambda: yolov3.YOLOv3.from_pretrained("me/nothing"),
    lambda: yolov3.YOLOv3.from_pretrained("no/such/name"),
    lambda: yolov3.YOLOv3.from_pretrained("me/nothing", local_files_only=True),
    lambda: model.push_to_hub("me/shapes"),
    lambda: model.fuse().push_to_hub("me/shapes"),
):
    try:
        attempt()
    except DarknetError as error:
        print(type(error).__name__, error)
"""


def test_failures_are_one_line_each(sample, tmp_path):
    convert(sample.weights)
    with serving() as hub:
        done = run(FAILING, tmp_path, HF_ENDPOINT=hub.url + "/nowhere")
        assert done.returncode == 0, done.stderr
        fetched, misnamed, absent, pushed, fused = done.stdout.splitlines()
        assert fetched.startswith("DownloadError me/nothing cannot be had from the Hub: ")
        assert misnamed.startswith("DownloadError no/such/name cannot be had from the Hub: Repo id")
        assert absent.startswith("DownloadError me/nothing cannot be had from the Hub: ")
        assert pushed.startswith("OutputError me/shapes cannot be pushed to the Hub: ")
        assert fused.startswith("CheckpointError backbone.stem.0.bn.bias: the model lacks it")
        assert not hub.repos
