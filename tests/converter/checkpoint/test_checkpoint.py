"""What a checkpoint says of itself is found to be true once, when it is opened."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import nets
import numpy as np
import pytest
import reference
from PIL import Image
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, FamilyError, convert, revert, verify
from converter.checkpoint import checkpoint
from converter.checkpoint.checkpoint import Checkpoint, plan_for
from converter.checkpoint.header import read_contents
from converter.checkpoint.metadata import NetworkUnknown
from converter.darknet.network import parse_network
from converter.operations.info import describe
from converter.plan import make_plan
from yolov3 import load

SCRIPTS = Path(__file__).parents[3] / "scripts"

DETECTOR = """\
[net]
width=8
height=8
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=leaky

[convolutional]
filters=24
size=1
activation=linear

[yolo]
mask=0,1,2
num=3
classes=3
anchors=1,2, 3,4, 5,6
"""
HEADER = {"major": 0, "minor": 2, "revision": 0, "seen": 64_000, "size": 20}


def header(**changes) -> str:
    return json.dumps({**HEADER, **changes})


def assumed(**changes) -> str:
    return json.dumps({"architecture": "yolov3", "width": 8, "height": 8, **changes})


# claim -> its values, with the refusal of each; None removes it. The network has layers 0 to 2,
# 3 classes, and float32 tensors of family generic.
NUMBERS = "not major, minor, revision, seen and size"
FALSE = {
    "schema": [
        (None, "does not say which network it is ("),
        ("3", "has metadata of schema 3, this version reads 1 and 2 (update this package)"),
        ("", "has metadata of schema , this version reads 1 and 2 (update this package)"),
    ],
    "tool": [(None, "is missing"), ("\udc80", "is \\udc80, not text")],
    "source_sha256": [
        (None, "is missing"),
        ("", "is , not 64 hexadecimal digits"),
        ("0" * 63, f"is {'0' * 63}, not 64 hexadecimal digits"),
        ("G" * 64, f"is {'G' * 64}, not 64 hexadecimal digits"),
        ("0" * 64 + "\n", f"is {'0' * 64}\\n, not 64 hexadecimal digits"),
    ],
    "header": [
        (None, "is missing"),
        ("", f"is , {NUMBERS}"),
        ("[]", f"is [], {NUMBERS}"),
        ("[" * 9000, f"is {'[' * 100}..., {NUMBERS}"),
        ("null", f"is null, {NUMBERS}"),
        *(
            (text, f"is {text}, {NUMBERS}")
            for text in (
                header(seen="2400"), header(seen=1.5), header(seen=None), header(seen=True),
                header(major=False), header(minor="2"), header(revision=[0]), header(size=20.0),
                header(size=18), header(size=10**12), header(more=1), '{"major": 0}',
            )
        ),
        *(
            (text, f"is {text}, not one that pjreddie's darknet could have read")
            for text in (
                header(seen=-1), header(seen=2**64), header(major=2**31), header(size=16),
                header(minor=1), header(minor=2000),
            )
        ),
    ],
    "cfg": [
        (None, "is missing"),
        ("", "has no sections"),
        ("\udc80", "is \\udc80, not text"),
        ("[net]\0", "is no cfg text: it is too long, or holds a zero byte"),
        ("[net]\nwidth=8\n[convolutional]\nfilters=x\n", "line 4: filters=x is not an integer"),
        ("[net]\n[yolo]\n", "line 1: [net] has no width=, height= and channels="),
        (
            DETECTOR.replace("filters=24", "filters=23"),
            "layer 2 [yolo], line 18: classes=3 with 3 anchors needs 24 channels, the layer before"
            " it has 23",
        ),
        (DETECTOR.replace("[convolutional]", "[convolutional]\ndontload=1"), "holds no weights"),
    ],
    "family": [
        (None, "is missing"),
        ("yolov2", "is yolov2, not one of yolov3, article, generic"),
        ("Generic", "is Generic, not one of yolov3, article, generic"),
        (
            "yolov3",
            "is yolov3, which has no place for the network: has 1 [yolo] layers, a YOLOv3 has 3",
        ),
    ],
    "dialect": [
        (None, "is missing"),
        ("hank", "is hank, not one of pjreddie, alexeyab, hank-ai"),
        ("", "is , not one of pjreddie, alexeyab, hank-ai"),
    ],
    "classes": [
        (None, "is null, but cfg makes it 3"),
        ("80", "is 80, but cfg makes it 3"),
        ("3.0", "is 3.0, not a number of classes"),
        ('"3"', 'is "3", not a number of classes'),
        ("true", "is true, not a number of classes"),
        ("-3", "is -3, not a number of classes"),
        ("null", "is null, not a number of classes"),
        ("9" * 5000, f"is {'9' * 100}..., not a number of classes"),
    ],
    "names": [
        ('["a", "b"]', "are 2, but cfg has 3 classes"),
        ("[]", "are 0, but cfg has 3 classes"),
        ("[1, 2, 3]", "is [1, 2, 3], not a list of class names"),
        ('"abc"', 'is "abc", not a list of class names'),
        ('{"a": 0}', 'is {"a": 0}, not a list of class names'),
        ('["a", "b", "\\udc80"]', 'is ["a", "b", "\\udc80"], not a list of class names'),
        ("abc", "is abc, not a list of class names"),
    ],
    "assumed": [
        (text, f"is {text}, not an architecture with its picture's size and anchors")
        for text in (
            "[]", '"yolov3"', "{}", assumed(architecture=3), assumed(architecture="`<b>"),
            assumed(architecture=""), assumed(width="8"), assumed(height=None),
            assumed(width=True), assumed(anchors=3), assumed(anchors=["1"]),
            assumed(anchors=[float("nan")]), assumed(anchors=[float("inf")]),
            assumed(anchors=[10**9 * 4]),
        )
    ],
    "complete": [
        ("false", "is false, but cfg, family and cutoff make it true"),
        ('"true"', 'is "true", not true or false'),
        ("1", "is 1, not true or false"),
        ("True", "is True, not true or false"),
    ],
    "cutoff": [
        ("0", "is 0, but cfg has 3 layers"),
        ("3", "is 3, but cfg has 3 layers"),
        ("1", "is 1, but layer 1 is the last with tensors"),
        ("1.5", "is 1.5, not a number of layers"),
        ("true", "is true, not a number of layers"),
        ("-1", "is -1, not a number of layers"),
        ('"1"', 'is "1", not a number of layers'),
        ("99999999999999999999", "is 99999999999999999999, not a number of layers"),
    ],
    "dtype": [
        ("float16", "is float16, but the tensors are F32"),
        ("bfloat16", "is bfloat16, but the tensors are F32"),
        ("float64", "is float64, not one of float32, float16, bfloat16"),
        ("F32", "is F32, not one of float32, float16, bfloat16"),
    ],
    "lossless": [
        ("false", "is false, but family and dtype make it true"),
        ("0", "is 0, not true or false"),
    ],
}  # fmt: skip
CASES = [(claim, value, message) for claim, cases in FALSE.items() for value, message in cases]


def change(checkpoint: Path, **claims: str | None) -> None:
    """Rewrite some of the metadata."""
    data = checkpoint.read_bytes()
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    found = {**entries["__metadata__"], **claims}
    entries["__metadata__"] = {key: value for key, value in found.items() if value is not None}
    head = json.dumps(entries).encode()
    checkpoint.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + length :])


@pytest.fixture
def detector(make):
    files = make(DETECTOR, "detector")
    files.cfg.with_suffix(".names").write_text("a\nb\nc\n")
    convert(files.weights)
    return files


def refusals(files, capsys, monkeypatch) -> dict[str, str]:
    """What each reader says of the checkpoint."""
    path = files.checkpoint
    found = {"info": str(describe(path).problem)}
    for name, read in {
        "open": lambda: Checkpoint.open(path),
        "verify": lambda: verify(files.weights, path),
        "revert": lambda: revert(path, path.with_name("back.weights"), force=True),
        "load": lambda: load(path, strict=False),
    }.items():
        with pytest.raises(CheckpointError) as caught:
            read()
        found[name] = str(caught.value)
    assert not path.with_name("back.weights").exists()
    picture = path.with_name("x.png")
    Image.new("RGB", (8, 8)).save(picture)
    output = str(path.with_name("found"))
    arguments = ["detect.py", str(path), str(picture), "-o", output, "--threshold", "0"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(SCRIPTS / "detect.py"), run_name="__main__")
    assert left.value.code == 1
    found["detect"] = capsys.readouterr().err.removeprefix("error: ").removesuffix("\n")
    return found


@pytest.mark.parametrize(("claim", "value", "message"), CASES)
def test_a_false_claim_is_refused_by_its_name(detector, capsys, monkeypatch, claim, value, message):
    change(detector.checkpoint, **{claim: value})
    place = "" if claim == "schema" else f"metadata {claim}: "
    for reader, refusal in refusals(detector, capsys, monkeypatch).items():
        assert refusal.startswith(f"{detector.checkpoint}: {place}{message}"), reader
        assert refusal.endswith(" again)") or claim == "schema" or reader == "revert"
        assert "\n" not in refusal
        assert len(refusal) < 500


def test_every_claim_is_tried():
    assert set(FALSE) == {
        "schema", "tool", "source_sha256", "header", "cfg", "family", "dialect", "classes",
        "names", "assumed", "complete", "cutoff", "dtype", "lossless",
    }  # fmt: skip


@pytest.mark.parametrize(
    "claims",
    [
        {"names": None},
        {"assumed": assumed(anchors=[1, 2.5])},
        {"header": header(seen=2**64 - 1)},
        {"header": header(minor=1, size=16)},
        {"tool": ""},
        {"format": None},
        {"more": "of another tool"},
    ],
)
def test_what_may_be_true_is_taken(detector, claims):
    change(detector.checkpoint, **claims)
    stored = Checkpoint.open(detector.checkpoint)
    assert (stored.network.classes, stored.dtype, stored.plan.naming.family) == (
        3, "float32", "generic",
    )  # fmt: skip
    assert load(detector.checkpoint).network.classes == 3


class TestFamilies:
    @pytest.fixture
    def modular(self, make):
        return make(nets.yolov3(1, 1, size=64, repeats=1), "modular")

    @pytest.mark.parametrize(
        ("family", "claimed"),
        [
            ("yolov3", "article"),
            ("article", "yolov3"),
            ("yolov3", "generic"),
            ("generic", "yolov3"),
        ],
    )
    def test_names_of_another_scheme(self, modular, family, claimed):
        convert(modular.weights, family=family)
        change(modular.checkpoint, family=claimed)
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(modular.checkpoint)
        assert str(caught.value) == (
            f"{modular.checkpoint}: metadata family: is {claimed}, but the tensors are named as"
            f" {family}'s (convert the .weights again)"
        )

    def test_names_of_no_scheme(self, modular):
        convert(modular.weights)
        tensors = {f"my.{name}": tensor for name, tensor in load_file(modular.checkpoint).items()}
        save_file(tensors, modular.checkpoint, read_contents(modular.checkpoint).metadata)
        with pytest.raises(CheckpointError) as caught:
            verify(modular.weights, modular.checkpoint)
        assert "metadata family: is yolov3, but there is a tensor my.backbone." in str(caught.value)

    @pytest.mark.parametrize("claim", ["complete", "lossless"])
    def test_the_article_is_neither_complete_nor_lossless(self, modular, claim):
        convert(modular.weights, family="article")
        change(modular.checkpoint, **{claim: "true"})
        with pytest.raises(CheckpointError, match=f"metadata {claim}: is true, but .* it false"):
            Checkpoint.open(modular.checkpoint)

    def test_a_file_of_the_first_layers(self, modular):
        end = next(20 + 4 * e.first for e in reference.layout(modular.text) if e.layer == 75)
        modular.weights.write_bytes(modular.weights.read_bytes()[:end])
        convert(modular.weights, partial=True)
        stored = Checkpoint.open(modular.checkpoint)
        assert (stored.plan.cutoff, stored.metadata.complete) == (74, False)
        for cutoff, last in (("73", 73), ("76", 73), (None, 73)):
            change(modular.checkpoint, cutoff=cutoff)
            with pytest.raises(CheckpointError) as caught:
                Checkpoint.open(modular.checkpoint)
            if cutoff:
                assert f"cutoff: is {cutoff}, but layer {last} is the last" in str(caught.value)
            else:
                assert "complete: is false, but cfg, family and cutoff make it true" in str(
                    caught.value
                )


class TestAnotherNetwork:
    """One that is given is believed, and the claims that it makes wrong are not."""

    def test_what_it_says(self, detector):
        given = parse_network(DETECTOR.replace("classes=3", "classes=2").replace("=24", "=21"))
        stored = Checkpoint.open(detector.checkpoint, given)
        assert (stored.network.classes, stored.metadata.classes) == (2, 2)
        assert stored.metadata.names is None
        assert stored.metadata.cfg == given.text

    def test_a_damaged_cfg_is_not_looked_at(self, detector):
        change(detector.checkpoint, cfg="[net]\n")
        stored = Checkpoint.open(detector.checkpoint, parse_network(DETECTOR))
        assert stored.metadata.names == ["a", "b", "c"]
        back = detector.weights.with_name("back.weights")
        assert revert(detector.checkpoint, back, cfg=detector.cfg).identical

    def test_one_that_its_family_has_no_place_for(self, sample):
        convert(sample.weights)
        with pytest.raises(FamilyError) as caught:
            Checkpoint.open(sample.checkpoint, parse_network(DETECTOR))
        assert str(caught.value).startswith(f"{sample.checkpoint}: ")


class TestWithoutClaims:
    @pytest.fixture
    def bare(self, detector):
        save_file(load_file(detector.checkpoint), detector.checkpoint)
        return detector

    def test_the_network_is_not_known(self, bare):
        with pytest.raises(NetworkUnknown) as caught:
            Checkpoint.open(bare.checkpoint)
        assert str(caught.value) == (
            f"{bare.checkpoint}: does not say which network it is (give its cfg with cfg=)"
        )

    @pytest.mark.parametrize(("dialect", "version"), [("pjreddie", "0.2.0"), ("alexeyab", "0.2.5")])
    def test_with_a_network_the_names_tell_the_rest(self, bare, dialect, version):
        stored = Checkpoint.open(bare.checkpoint, parse_network(DETECTOR, dialect))
        assert (stored.plan.naming.family, stored.dtype) == ("generic", "float32")
        assert (stored.plan.dialect, stored.plan.header.version) == (dialect, version)
        assert stored.claims is None
        with pytest.raises(NetworkUnknown):
            stored.metadata  # noqa: B018 - asking is what is tested

    def test_tensors_of_another_network(self, bare):
        given = parse_network(DETECTOR + "\n[convolutional]\nfilters=1\n")
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(bare.checkpoint, given)
        assert str(caught.value) == (
            f"{bare.checkpoint}: lacks 2 tensors of family generic: layers.3.conv.bias,"
            " layers.3.conv.weight (give the cfg that it belongs to, or"
            " rename its tensors as `convert --dry-run` prints them)"
        )

    def test_what_has_no_place_is_listed_up_to_five(self, bare):
        tensors = dict(load_file(bare.checkpoint))
        tensors["layers.1.bias"] = tensors.pop("layers.1.conv.bias")
        more = {f"ema.{i}": np.zeros(1, "<f4") for i in range(6)}
        save_file({**tensors, **more}, bare.checkpoint)
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))
        assert caught.value.message == (
            "lacks 1 tensors of family generic: layers.1.conv.bias; without a place in it are 7:"
            " ema.0, ema.1, ema.2, ema.3, ema.4 and 2 more"
        )
        tensors["layers.1.conv.bias"] = tensors.pop("layers.1.bias")
        save_file({**tensors, **more}, bare.checkpoint)
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))
        assert caught.value.message == (
            "has 6 tensors that its network lacks: ema.0, ema.1, ema.2, ema.3, ema.4 and 1 more"
        )

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
    def test_shells_and_counters_are_passed_over(self, bare, prefix):
        tensors = load_file(bare.checkpoint)
        counters = {
            "layers.0.bn.num_batches_tracked": np.array(7),
            "layers.0.total_ops": np.zeros(1, "<f8"),
            "total_params": np.zeros(1, "<f8"),
        }
        named = {prefix + name: tensor for name, tensor in {**tensors, **counters}.items()}
        save_file(named, bare.checkpoint)
        stored = Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))
        assert stored.plan.naming.prefix == prefix
        assert {slot.tensor for slot in stored.plan.slots} == {prefix + name for name in tensors}
        back = bare.weights.with_name("back.weights")
        revert(bare.checkpoint, back, cfg=bare.cfg)
        assert back.read_bytes()[20:] == bare.weights.read_bytes()[20:]

    def test_shells_without_end_are_not_all_tried(self, monkeypatch):
        """A header of 16 MiB has room for two million, and each took 24 ms."""
        tried = []

        def counting(**arguments):
            tried.append(arguments["naming"])
            return make_plan(**arguments)

        monkeypatch.setattr(checkpoint, "make_plan", counting)
        with pytest.raises(CheckpointError, match="lacks 7 tensors of family generic"):
            plan_for({"model." * 50 + "x": (1,)}, parse_network(DETECTOR), "pjreddie", "generic")
        assert len(tried) == 5  # without any, and up to four in one another

    def test_a_name_of_a_megabyte_is_shortened(self, bare):
        tensors = dict(load_file(bare.checkpoint))
        save_file({**tensors, "x" * 2**20: np.zeros(1, "<f4")}, bare.checkpoint)
        with pytest.raises(CheckpointError) as caught:
            Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))
        assert caught.value.message.endswith(f"that its network lacks: {'x' * 100}...")

    def test_a_prefix_of_some_tensors_is_none(self, bare):
        tensors = load_file(bare.checkpoint)
        save_file(
            {**{f"model.{n}": t for n, t in tensors.items()}, "x": np.zeros(1, "<f4")},
            bare.checkpoint,
        )
        with pytest.raises(CheckpointError, match="lacks 7 tensors of family generic"):
            Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))

    def test_a_network_without_arrays_is_of_our_own_names(self, bare):
        pool = parse_network("[net]\nheight=4\nwidth=4\nchannels=1\n[maxpool]\n", "pjreddie")
        assert plan_for({}, pool, "pjreddie").naming.family == "generic"

    def test_a_type_that_darknet_lacks(self, bare):
        tensors = {name: t.astype(np.float64) for name, t in load_file(bare.checkpoint).items()}
        save_file(tensors, bare.checkpoint)
        with pytest.raises(CheckpointError, match="holds F64, Darknet knows float32 only"):
            Checkpoint.open(bare.checkpoint, parse_network(DETECTOR))


def test_it_is_opened_without_torch_and_without_numpy(detector):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = None;"
        "from converter.checkpoint.checkpoint import Checkpoint, plan_for;"
        f"assert Checkpoint.open({str(detector.checkpoint)!r}).network.classes == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS.parent)
