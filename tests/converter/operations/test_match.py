"""The names of a port that nobody knows, found by the values of a file that is known."""

import json

import nets
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from converter import CheckpointError, convert, revert, verify
from converter.cli import runner
from converter.darknet.network import parse_network
from converter.families import name_layers
from converter.operations.match import match
from yolov3 import load

YOLOV3 = nets.yolov3(1, 2, size=64)
CLASSIFIER = nets.classifier(1, 5, size=64)
# One convolution with batch norm, then three of which two are equal in shape.
SMALL = nets.net(16) + "".join(nets.conv(filters, 3) for filters in (4, 4, 4, 2))


def names(text, family):
    """Generic name -> that of ``family``."""
    network = parse_network(text)
    naming = name_layers(network, family)
    return {
        f"layers.{node.index}.{array.suffix}": naming.tensor(node.index, array.suffix)
        for node in network.nodes
        for array in node.layer.arrays(node.inputs, "pjreddie")
    }


def stranger(files, rename, **changes):
    """A checkpoint of a port that is in no list: generic names, renamed; and its names."""
    generic = convert(files.weights, files.weights.with_name("generic.safetensors"),
                      family="generic").output  # fmt: skip
    tensors = {rename(name): values for name, values in load_file(generic).items()} | changes
    path = files.weights.with_name("stranger.safetensors")
    save_file(tensors, path)
    return path


def port(name):
    """``layers.3.bn.weight`` as ``m.3.norm.weight``."""
    return name.replace("layers.", "m.").replace(".bn.", ".norm.").replace(".conv.", ".c.")


def with_fresh_norms(files):
    """Every batch norm as a new one: factors and variances 1, the rest 0."""
    data = bytearray(files.weights.read_bytes())
    for slot in convert(files.weights, family="generic", dry_run=True).plan.slots:
        value = {"biases": 0, "scales": 1, "rolling_mean": 0, "rolling_variance": 1}.get(slot.kind)
        if value is not None:
            data[slot.offset : slot.end] = np.full(slot.floats, value, "<f4").tobytes()
    files.weights.write_bytes(data)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("bubbliiiing", YOLOV3),
        ("bubbliiiing", nets.yolov4(2, 2, size=64)),
        ("dena", YOLOV3),
        ("lightnet", nets.tiny(1, 2, size=64)),
        ("lightnet", nets.yolov4(2, 2, size=64)),
        ("lightnet", YOLOV3),
        ("lightnet", CLASSIFIER),
        ("libreyolo", YOLOV3),
        ("mmdet", YOLOV3),
        ("pytorchyolo", nets.tiny(1, 2, size=64)),
        ("tianxiaomo", nets.tiny(1, 2, size=64)),
        ("tianxiaomo-class", nets.yolov4(2, 2, size=64)),
        ("timm", CLASSIFIER),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_names_of_known_ports_are_found_from_nothing(family, text, suffix, make):
    files = make(text)
    made = convert(files.weights, files.weights.with_name(f"theirs{suffix}"), family=family)
    found = match(made.output, files.weights)
    assert found.complete
    assert found.table.tensors == names(text, family)
    assert found.table.ignored == ()
    # Darknet-53's classifier is layer 76; timm keeps it as a matrix.
    assert found.table.linear == (("layers.76.conv.weight",) if family == "timm" else ())


def test_values_that_a_rule_changed_are_all_that_is_not_found(make):
    """Batch norm's variances: ultralytics adds 1e-4 to them, Darknet 1e-5."""
    text = nets.tiny(1, 2, size=64)
    files = make(text)
    made = convert(files.weights, files.weights.with_name("theirs.pth"), family="ultralytics")
    found = match(made.output, files.weights)
    expected = names(text, "ultralytics")
    variances = {name for name in expected if name.endswith("running_var")}
    assert len(variances) == 11
    assert set(found.unmatched) == variances
    assert found.table.tensors == {n: t for n, t in expected.items() if n not in variances}


def test_equal_ones_are_told_apart_by_their_modules(make):
    files = make(SMALL)
    with_fresh_norms(files)
    found = match(stranger(files, port), files.weights)
    assert found.complete
    assert found.table.tensors == {name: port(name) for name in names(SMALL, "generic")}


def test_equal_ones_whose_names_tell_nothing_are_listed(make):
    files = make(SMALL)
    with_fresh_norms(files)
    flat = {name: f"t{n}" for n, name in enumerate(names(SMALL, "generic"))}
    found = match(stranger(files, flat.get), files.weights)
    assert not found.complete
    kernels = [f"layers.{layer}.conv.weight" for layer in range(4)]
    assert found.table.tensors == {name: flat[name] for name in kernels}
    # Zeros and ones of four filters, of layers 0 to 2, and of two, of layer 3.
    assert sorted((len(ours), len(theirs)) for ours, theirs in found.ambiguous) == [
        (2, 2), (2, 2), (6, 6), (6, 6),
    ]  # fmt: skip
    assert found.unmatched == ()


def test_an_array_without_an_equal_is_named(make):
    files = make(SMALL)
    kernel = np.zeros((4, 4, 3, 3), np.float32)
    path = stranger(files, port, **{"m.1.c.weight": kernel})
    found = match(path, files.weights)
    assert found.unmatched == ("layers.1.conv.weight",)
    assert not found.complete


def test_one_bit_makes_a_difference(make):
    files = make(SMALL)
    data = bytearray(files.weights.read_bytes())
    path = stranger(files, port)
    data[20] ^= 1  # the first bias
    files.weights.write_bytes(data)
    assert match(path, files.weights).unmatched == ("layers.0.bn.bias",)


def test_files_of_other_values_are_refused(make):
    path = stranger(make(SMALL), port)
    other = make(SMALL, name="other", seed=1)
    with pytest.raises(CheckpointError, match="no tensor whose float32 values"):
        match(path, other.weights)


class TestCommand:
    @pytest.fixture
    def files(self, make):
        return make(CLASSIFIER)

    @pytest.fixture
    def checkpoint(self, files):
        """A port's, with a constant that Darknet lacks and a matrix for the last convolution."""
        path = stranger(files, port, **{"head.scale": np.ones(3, np.float32)})
        tensors = load_file(path)
        tensors["m.76.c.weight"] = tensors["m.76.c.weight"].reshape(5, -1)
        save_file(tensors, path)
        return path

    @pytest.fixture
    def table(self, files, checkpoint, capsys):
        path = files.weights.with_name("port.json")
        arguments = [str(checkpoint), "--match", str(files.weights), "--table-out", str(path)]
        assert runner.run("info", "info", arguments) == 0
        count = len(names(CLASSIFIER, "generic"))
        assert f"{count} of {count} tensors found by their values" in capsys.readouterr().out
        return path

    def test_the_table_is_json(self, table):
        found = json.loads(table.read_text())
        assert found.pop("linear") == ["layers.76.conv.weight"]
        assert found.pop("ignored") == ["head.scale"]
        assert found == {name: port(name) for name in names(CLASSIFIER, "generic")}

    def test_a_port_that_nobody_knows_goes_to_darknet(self, files, checkpoint, table, tmp_path):
        back = tmp_path / "back.weights"
        arguments = [str(checkpoint), "-o", str(back), "--cfg", str(files.cfg),
                     "--family-table", str(table)]  # fmt: skip
        assert runner.run("convert", "convert", arguments) == 0
        assert back.read_bytes()[20:] == files.weights.read_bytes()[20:]

    @pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
    def test_and_from_darknet(self, files, checkpoint, table, suffix, tmp_path):
        made = tmp_path / f"made{suffix}"
        arguments = [str(files.weights), "-o", str(made), "--family-table", str(table)]
        assert runner.run("convert", "convert", arguments) == 0
        wanted = {k: v for k, v in load_file(checkpoint).items() if k != "head.scale"}
        found = load_file(made) if suffix == ".safetensors" else torch.load(made, weights_only=True)
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)

    def test_many_files_at_once(self, files, table, tmp_path):
        """Each in a process of its own."""
        other = files.weights.with_name("other.weights")
        other.write_bytes(files.weights.read_bytes())
        arguments = [str(files.weights), str(other), "-o", str(tmp_path / "out"), "--family-table",
                     str(table), "--cfg", str(files.cfg)]  # fmt: skip
        assert runner.run("convert", "convert", arguments) == 0
        for name in ("net", "other"):
            assert "m.0.c.weight" in load_file(tmp_path / "out" / f"{name}.safetensors")

    def test_it_is_renamed_to_ours(self, files, checkpoint, table, tmp_path):
        made = tmp_path / "ours.safetensors"
        arguments = [str(checkpoint), "-o", str(made), "--cfg", str(files.cfg),
                     "--family-table", str(table)]  # fmt: skip
        assert runner.run("convert", "convert", arguments) == 0
        ours = load_file(convert(files.weights, tmp_path / "direct.safetensors").output)
        found = load_file(made)
        assert found.keys() == ours.keys()
        assert all(np.array_equal(found[name], ours[name]) for name in ours)

    def test_and_from_one_port_to_another(self, files, checkpoint, table, tmp_path):
        timm, again = tmp_path / "timm.safetensors", tmp_path / "again.safetensors"
        common = ["--cfg", str(files.cfg), "--family-table", str(table)]
        there = [str(checkpoint), "-o", str(timm), "--family", "timm", *common]
        assert runner.run("convert", "convert", there) == 0
        assert "head.fc.weight" in load_file(timm)
        assert runner.run("convert", "convert", [str(timm), "-o", str(again), *common]) == 0
        assert "m.76.c.weight" in load_file(again)

    @pytest.mark.parametrize("command", ["info", "verify", "report", "export"])
    def test_commands_that_read_it(self, command, files, checkpoint, table, tmp_path, capsys):
        common = ["--family-table", str(table), "--cfg", str(files.cfg)]
        first = [str(files.weights)] if command == "verify" else []
        output = {"report": "x.md", "export": "x.onnx"}.get(command)
        last = ["-o", str(tmp_path / output)] if output else []
        assert runner.run(command, command, [*first, str(checkpoint), *common, *last]) == 0
        assert "problem" not in capsys.readouterr().out

    def test_in_python(self, files, checkpoint, table, tmp_path):
        made = convert(files.weights, tmp_path / "made.safetensors", family=str(table)).output
        assert verify(files.weights, made, family=str(table)).ok
        assert revert(made, tmp_path / "back.weights", family=str(table)).identical
        ours = load(convert(files.weights, tmp_path / "ours.safetensors").output)
        x = torch.rand(1, 3, 64, 64)
        for path, cfg in ((made, None), (checkpoint, files.cfg)):
            theirs = load(path, family=str(table), cfg=cfg)
            with torch.no_grad():
                for a, b in zip(ours(x), theirs(x), strict=True):
                    assert torch.equal(a, b)

    def test_a_checkpoint_of_a_table_asks_for_it(self, files, table, tmp_path, capsys):
        made = convert(files.weights, tmp_path / "made.safetensors", family=str(table)).output
        assert runner.run("convert", "convert", [str(made), "-o", str(tmp_path / "b.weights")]) == 2
        assert (
            "has tensor names from a table (give it with --family-table" in capsys.readouterr().err
        )

    def test_without_a_complete_table_the_exit_code_says_so(self, make, capsys):
        files = make(SMALL, name="small")
        with_fresh_norms(files)
        flat = {name: f"t{n}" for n, name in enumerate(names(SMALL, "generic"))}
        path = stranger(files, flat.get)
        assert runner.run("info", "info", [str(path), "--match", str(files.weights)]) == 1
        out = capsys.readouterr().out
        assert out.count("ambiguous: ") == 4
        assert out.endswith("4 of 20 tensors found by their values\n")

    def test_json(self, files, checkpoint, capsys):
        arguments = [str(checkpoint), "--match", str(files.weights), "--json"]
        assert runner.run("info", "info", arguments) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["complete"], facts["ambiguous"], facts["unmatched"]) == (True, [], [])
        assert facts["table"]["layers.0.conv.weight"] == "m.0.c.weight"

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--table-out", "x.json"], "--table-out is what --match finds"),
            (["--family", "timm", "--family-table", "x.json"], "are two schemes"),
            (["--family-table", "x.txt"], "end it in .json"),
        ],
    )
    def test_wrong_usage(self, arguments, problem, checkpoint, capsys):
        assert runner.run("info", "info", [str(checkpoint), *arguments]) == 2
        assert problem in capsys.readouterr().err

    def test_a_table_is_not_written_over_what_it_is_made_of(self, files, checkpoint, capsys):
        before = checkpoint.read_bytes()
        arguments = [str(checkpoint), "--match", str(files.weights), "--table-out", str(checkpoint)]
        assert runner.run("info", "info", arguments) == 2
        assert checkpoint.read_bytes() == before
