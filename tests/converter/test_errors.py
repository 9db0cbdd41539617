"""What users read when something is refused: the exact texts, one a fault."""

import inspect
import os
import re
import struct
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import yolov3
from converter import (
    DarknetError,
    convert,
    convert_many,
    download,
    info,
    rename,
    revert,
    verify,
)
from converter.cli.main import main
from converter.errors import (
    CfgError,
    CheckpointError,
    UsageError,
    again,
    argument,
    command,
    errors_name,
    first_line,
    install,
    printable,
    running,
)
from yolov3.exporting.straight import export_checkpoint

ROOT = Path(__file__).parents[2]
HEAD = "[net]\nwidth=8\nheight=8\nchannels=3\n\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
TWICE = HEAD + CONV  # has 10 lines

# What the cfg holds -> the error, after the file's name.
CFGS = {
    "empty": ("", "has no sections (a cfg starts with [net])"),
    "no net": (
        CONV,
        "line 1: starts with [convolutional] (the first section must be [net] or [network])",
    ),
    "no layers": (HEAD, "line 1: has no layers after [net]"),
    "no size": (
        "[net]\nbatch=1\n" + CONV,
        "line 1: [net] has no width=, height= and channels= (correct the cfg)",
    ),
    "no bracket": (
        TWICE + "[yolo\n",
        "line 11: [yolo is not a section (write [type], and each option on a line of its own)",
    ),
    "no filters, and what follows": (
        TWICE.replace("filters=4", "filters=") + "[convolutional]\ngroups=4\n",
        "layer 1 [convolutional], line 11: groups=4 does not divide its 1 input channels"
        " (correct the cfg; cfg line 7: filters= has no value: the engines skip the line)",
    ),
    "unknown section": (
        TWICE + "[Yolo]\n",
        "line 11: [Yolo] is not a layer that can be converted (known are Gaussian_yolo, activation,"
        " avgpool, batchnorm, connected, contrastive, conv_lstm, convolutional, cost, crnn, crop,"
        " deconvolutional, detection, dropout, empty, gru, history, implicit, iseg, l2norm, local,"
        " local_avgpool, logistic, lstm, maxpool, normalization, region, reorg, reorg3d, rnn,"
        " route, sam, scale_channels, shortcut, softmax, upsample, yolo)",
    ),
    "twice": (
        f"{TWICE}\n{TWICE}",
        "line 12: holds the same network again: it was appended to itself"
        " (delete everything from line 12 on)",
    ),
    "another network": (
        f"{TWICE}\n{TWICE}size=1\n",
        "line 12: holds a second network (keep what is before line 12 or what follows)",
    ),
    "no integer": (
        TWICE.replace("filters=4", "filters=4x4"),
        "line 7: filters=4x4 is not an integer",
    ),
    "a gap": (TWICE.replace("filters=4", "filters=1 6"), "line 7: filters=1 6 is not an integer"),
    "too large an integer": (
        TWICE.replace("filters=4", "filters=4294967304"),
        "line 7: filters=4294967304 does not fit into 32 bits",
    ),
    "too many filters": (
        TWICE.replace("filters=4", "filters=2147483647"),
        "layer 0 [convolutional], line 6: its output 2147483647 x 8 x 8 has more than"
        " 2,147,483,647 values (correct the cfg)",
    ),
    "unknown activation": (
        TWICE.replace("leaky", "leaky#x").replace("leaky#x", "Leaky"),
        "layer 0 [convolutional], line 6: activation=Leaky is unknown: Darknet would silently use"
        " relu (correct the cfg)",
    ),
    "groups": (
        TWICE + "groups=2\n",
        "layer 0 [convolutional], line 6: groups=2 does not divide its 3 input channels"
        " (correct the cfg)",
    ),
    "a route to itself": (
        TWICE + "[route]\nlayers=1\n",
        "layer 1 [route], line 11: refers to layer 1, which is not before it (correct the cfg)",
    ),
    "a route to nowhere": (
        TWICE + "[route]\nlayers=-2\n",
        "layer 1 [route], line 11: refers to layer -1, which is not before it (correct the cfg)",
    ),
    "shared with a later layer": (
        TWICE + "share_index=7\n",
        "layer 0 [convolutional], line 6: refers to layer 7, which is not before it"
        " (correct the cfg)",
    ),
    "a shortcut without from": (
        TWICE + "[shortcut]\n",
        "layer 1 [shortcut], line 11: has no from= (correct the cfg)",
    ),
    "filters before a head": (
        TWICE + "[yolo]\nclasses=3\nnum=3\n",
        "layer 1 [yolo], line 11: classes=3 with 3 anchors needs 24 channels, the layer before it"
        " has 4 (write classes=3 with filters=24 there)",
    ),
    "nothing left": (
        TWICE + "[convolutional]\nsize=9\n",
        "layer 1 [convolutional], line 11: leaves nothing: its output would be 1 x 0 x 0"
        " (correct the cfg)",
    ),
    "control characters": (
        TWICE + "[\x1b[31mred]\n",
        "line 11: [\\x1b[31mred] is not a layer that can be converted (known are ",
    ),
    "zero bytes": (
        TWICE + "\0",
        f"byte {len(TWICE)}: is not text: it holds zero bytes (give the .cfg, not the .weights)",
    ),
    "HTML": (
        "<!DOCTYPE html>",
        "is an HTML page, not the file it was downloaded for"
        " (download it again; a browser shows what the address really serves)",
    ),
}

HEADER = struct.pack("<iiiQ", 0, 2, 0, 0)
FLOATS = 4 + 4 * 3 * 9  # of TWICE: 20 + 4 * 112 = 468 bytes

WEIGHTS = {
    "empty": (b"", "is empty (download or copy it again)"),
    "short head": (
        HEADER[:10],
        "ends after 10 bytes, inside its 16-byte header (download or copy it again)",
    ),
    "half of seen": (
        HEADER[:16],
        "ends after 16 bytes, inside its 20-byte header (download or copy it again)",
    ),
    "cut": (
        HEADER + bytes(4 * 2),
        "byte 28: ends inside biases of layer 0 [convolutional], line 6: 28 bytes of the 468 that"
        " net.cfg asks for"
        " (download or copy it again, or use the cfg it was trained with)",
    ),
    "surplus": (
        HEADER + bytes(4 * FLOATS + 8),
        "byte 468: has 8 bytes more than net.cfg asks for (476, not 468)"
        " (give the cfg it was trained with)",
    ),
    "channels": (
        HEADER + bytes(4 * (4 + 4 * 1 * 9)),
        "layer 0 [convolutional], line 6: the file fits channels=1, the cfg says 3"
        " (180 bytes, net.cfg asks for 468) (set channels=1 in [net])",
    ),
    "half precision": (
        HEADER + bytes(2 * FLOATS),
        "byte 244: the file fits values of 2 bytes: float16 (244 bytes, net.cfg asks for 468)"
        " (Darknet reads float32 only: let the program that wrote it write that)",
    ),
    "header": (
        HEADER[:16] + bytes(4 * FLOATS),
        "byte 464: the file fits a header of 16 bytes, its version 0.2.0 says 20"
        " (464 bytes, net.cfg asks for 468) (write the version 0, 1, 0 into its first 12 bytes)",
    ),
    "no version": (
        b"\x7f\xff\x7f\xff" * 3 + bytes(1000),
        "byte 0: its version reads -8388737.-8388737.-8388737, which no darknet wrote"
        " (1,012 bytes, net.cfg asks for 464)"
        " (this is no .weights file, or a damaged one: download or copy it again)",
    ),
    "cfg": (
        HEAD.encode(),
        "is text that looks like a cfg (give it with cfg=, and the .weights first)",
    ),
    "LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:523e\nsize 248007048\n",
        "is a Git LFS pointer, not the file it stands for (run `git lfs pull` where it comes from)",
    ),
    "zip": (
        b"PK\x03\x04" + bytes(30),
        "is a zip archive (a PyTorch .pt file is one, too)"
        " (give the .weights file that darknet wrote, or end a PyTorch file with .pt or .pth)",
    ),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.cfg").write_text(TWICE)
    (tmp_path / "net.weights").write_bytes(HEADER + bytes(4 * FLOATS))
    return tmp_path


def refusal(run, *arguments, **options):
    with pytest.raises(DarknetError) as caught:
        run(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.isprintable()
    return text


@pytest.mark.parametrize("fault", CFGS)
def test_cfg(folder, fault):
    text, message = CFGS[fault]
    (folder / "net.cfg").write_text(text)
    found = refusal(convert, folder / "net.weights")
    expected = f"{folder / 'net.cfg'}: {message}"
    if message.endswith("(known are "):
        assert found.startswith(expected)
    else:
        assert found == expected


@pytest.mark.parametrize("fault", WEIGHTS)
def test_weights(folder, fault):
    data, message = WEIGHTS[fault]
    (folder / "net.weights").write_bytes(data)
    assert refusal(convert, folder / "net.weights") == f"{folder / 'net.weights'}: {message}"
    assert sorted(os.listdir(folder)) == ["net.cfg", "net.weights"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\n", "has 2 names, the network has 3 classes (give the right file with names=)"),
        (b"", "has 0 names, the network has 3 classes (give the right file with names=)"),
        (b"a\0b", "is not text (give a text file with one class name a line)"),
        (b"x\n" * (1 << 20), "is larger than 1,048,576 bytes"),
        (
            b"<html>",
            "is an HTML page, not the file it was downloaded for"
            " (give a text file with one class name a line)",
        ),
    ],
)
def test_names(sample, data, message):
    path = sample.cfg.with_suffix(".names")
    path.write_bytes(data)
    assert refusal(convert, sample.weights) == f"{path}: {message}"


def test_names_are_split_where_darknet_does(sample):
    """At line feeds only; 0x85 is an ellipsis in the Windows code page, a line end to Python."""
    sample.cfg.with_suffix(".names").write_bytes(b"a\x85b\r\n\x1b[31mred\r\nc\x0bd\r\n")
    result = convert(sample.weights, names_encoding="latin-1")
    assert result.metadata.names == ["a\x85b", "\x1b[31mred", "c\x0bd"]


class TestPaths:
    def test_missing(self, folder):
        path = folder / "no.weights"
        assert refusal(convert, path) == f"{path}: no such file (check the path)"

    def test_missing_cfg(self, folder):
        path = folder / "no.cfg"
        assert refusal(convert, folder / "net.weights", cfg=path) == (
            f"{path}: cannot be read: No such file or directory (check the path)"
        )

    @pytest.mark.parametrize("argument", ["source", "cfg", "names"])
    def test_what_is_no_file(self, folder, argument):
        os.mkfifo(folder / "fifo")
        for path, what in (
            (folder, "a directory"), (folder / "fifo", "not a regular file"),
            ("/dev/zero", "not a regular file"),
        ):  # fmt: skip
            options = {"source": folder / "net.weights", argument: path}
            remedy = " (give a .weights file)" if argument == "source" else ""
            assert refusal(convert, **options) == f"{path}: is {what}{remedy}"

    @pytest.mark.parametrize("argument", ["source", "cfg", "names", "output"])
    def test_a_zero_byte(self, folder, argument):
        name = "a\0b.safetensors" if argument == "output" else "a\0b"
        options = {"source": folder / "net.weights", argument: name}
        verb = "written" if argument == "output" else "read"
        shown = name.replace("\0", "\\x00")
        assert refusal(convert, **options) == f"{shown}: cannot be {verb}: a zero byte in its name"

    @pytest.mark.parametrize(
        "target", ["net.weights", "net.cfg", "link.safetensors", "hard.safetensors"]
    )
    def test_an_input_is_never_replaced(self, folder, target):
        before = (folder / "net.weights").read_bytes()
        (folder / "link.safetensors").symlink_to("net.weights")
        os.link(folder / "net.cfg", folder / "hard.safetensors")
        path = folder / target
        with pytest.raises(UsageError) as caught:
            convert(folder / "net.weights", path, force=True)
        other_format = {
            "net.weights": "would hold safetensors under a Darknet file's name",
            "net.cfg": "is no checkpoint's name",
        }
        assert str(caught.value) == (
            f"{path}: {other_format[target]} (end it with .safetensors)"
            if target in other_format
            else f"{path}: is an input, or another output (choose another output)"
        )
        assert (folder / "net.cfg").read_text() == TWICE
        assert (folder / "net.weights").read_bytes() == before

    def test_a_name_of_the_other_format(self, folder):
        weights, checkpoint = folder / "new.weights", folder / "new.safetensors"
        assert refusal(convert, folder / "net.weights", weights) == (
            f"{weights}: would hold safetensors under a Darknet file's name"
            " (end it with .safetensors)"
        )
        done = convert(folder / "net.weights").output
        assert refusal(revert, done, checkpoint) == (
            f"{checkpoint}: would hold Darknet's format under a checkpoint's name"
            " (end it with .weights)"
        )

    def test_what_is_no_source_is_refused_before_the_name_of_the_output(self, folder):
        path = folder / "net.onnx"
        path.write_bytes(b"\x08\x08\x12\x07pytorch")  # field 1 is 8, field 2 has 7 bytes
        assert refusal(convert, path, folder / "new.weights") == (
            f"{path}: is an ONNX model (ONNX is no source: give the file that it was exported from)"
        )
        assert refusal(convert, folder / "none", folder / "new.weights") == (
            f"{folder / 'none'}: no such file (check the path)"
        )

    def test_a_symlink_is_followed(self, folder):
        link = folder / "link.safetensors"
        link.symlink_to("there.safetensors")
        convert(folder / "net.weights", link, force=True)
        assert link.is_symlink()
        assert (folder / "there.safetensors").is_file()

    def test_a_symlink_to_itself(self, folder):
        path = folder / "link.safetensors"
        path.symlink_to(path.name)
        assert refusal(convert, folder / "net.weights", path, force=True) == (
            f"{path}: is a symlink to itself (choose another output)"
        )

    @pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
    def test_a_target_that_is_no_file(self, folder, device_node, kind):
        path = device_node if kind == "device" else folder / f"{kind}.safetensors"
        if kind == "folder":
            path.mkdir()
        if kind == "fifo":
            os.mkfifo(path)
        before = path.stat().st_mode
        text = refusal(convert, folder / "net.weights", path, force=True)
        assert text == f"{path}: is not a regular file (choose another output)"
        assert path.stat().st_mode == before

    def test_a_folder_that_is_missing(self, folder):
        path = folder / "no" / "x.safetensors"
        assert refusal(convert, folder / "net.weights", path) == (
            f"{path}: cannot be written: there is no folder {folder / 'no'}"
            " (make it, or choose another output)"
        )

    @pytest.mark.parametrize("length", [245, 300])
    def test_too_long_a_name_is_the_output_s(self, folder, length):
        """A file's name has at most 255 bytes; what grows beside it has 23 more."""
        path = folder / f"{'x' * (length - 12)}.safetensors"
        assert refusal(convert, folder / "net.weights", path) == (
            f"{path}: cannot be written: File name too long (choose another output)"
        )
        assert sorted(os.listdir(folder)) == ["net.cfg", "net.weights"]

    def test_bytes_that_are_no_utf8(self, folder, caplog):
        # What is logged goes into the test's report, which pytest-xdist can send as UTF-8 only.
        caplog.set_level("CRITICAL", "converter")
        path = os.fsencode(folder) + b"/caf\xe9.weights"
        os.rename(folder / "net.weights", path)
        os.rename(folder / "net.cfg", path.replace(b".weights", b".cfg"))
        assert convert(os.fsdecode(path)).verified
        assert printable(os.fsdecode(path)).endswith("/caf\\udce9.weights")


def test_a_file_that_changes_meanwhile(toy, monkeypatch):
    from converter.operations import conversion

    write = conversion.payload.write

    def growing(*arguments):
        write(*arguments)
        with open(toy.weights, "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(conversion.payload, "write", growing)
    assert refusal(convert, toy.weights) == (
        f"{toy.weights}: changed while it was read"
        " (wait until it is completely written, then convert it again)"
    )
    assert not toy.checkpoint.exists()


def test_a_file_that_shrinks_meanwhile(toy, monkeypatch):
    from converter.operations import conversion

    write = conversion.payload.write

    def shrinking(*arguments):
        os.truncate(toy.weights, 100)
        write(*arguments)

    monkeypatch.setattr(conversion.payload, "write", shrinking)
    assert refusal(convert, toy.weights) == f"{toy.weights}: became shorter while it was read"
    assert not toy.checkpoint.exists()


class TestCheckpoints:
    def test_the_way_back(self, toy):
        convert(toy.weights)
        data = toy.checkpoint.read_bytes()
        for content, message in (
            (b"", "is not a safetensors file, or is cut off inside its header"
                  " (download or convert it again)"),
            (data[:100], "is not a safetensors file, or is cut off inside its header"
                         " (download or convert it again)"),
            (b"PK\x03\x04" + bytes(30), "is a zip archive that is cut off or damaged"
                                        " (download or copy it again)"),
            (data[:-1], f"is cut off: it has {len(data) - 1:,} bytes, its header promises"
                        f" {len(data):,} (download or convert it again)"),
            (data + b"0", "is not a safetensors file: Error while deserializing header: incomplete"
                          " metadata, file not fully covered"),
        ):  # fmt: skip
            toy.checkpoint.write_bytes(content)
            assert refusal(revert, toy.checkpoint, dry_run=True) == f"{toy.checkpoint}: {message}"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("a\nb", "a"),
        ("\n  a \r\n\nb", "a"),
        ("", "ValueError"),
        ("\n \n", "ValueError"),
    ],
)
def test_the_first_line_of_another_librarys_error(said, line):
    assert first_line(ValueError(said)) == line


def test_an_error_that_names_a_file_keeps_it():
    with pytest.raises(CheckpointError) as caught, errors_name("a.pt", CfgError, CheckpointError):
        raise CheckpointError("is wrong", path="b.cfg")
    assert caught.value.path == "b.cfg"
    with pytest.raises(CheckpointError) as caught, errors_name("a.pt", CfgError, CheckpointError):
        raise CheckpointError("is wrong")
    assert caught.value.path == "a.pt"
    with pytest.raises(CheckpointError) as caught, errors_name("a.pt", CfgError):
        raise CheckpointError("is wrong")
    assert caught.value.path is None


class TestRemedies:
    """They work for those without a checkout, and for a package that no index has."""

    def test_what_is_missing_is_named_as_pip_knows_it(self):
        """All that an extra brings; of bounds only the upper ones: pip takes the newest."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        for extra in extras.keys() - {"all", "test"}:
            assert install(extra) == f"pip install {' '.join(self.packages(extras, extra))}"

    def packages(self, extras, extra):
        for requirement in extras[extra]:
            own = re.fullmatch(r"darknet-safetensors\[(\w+)\]", requirement)
            if own:
                yield from self.packages(extras, own[1])
                continue
            plain = re.sub(r">=[\d.]+,?", "", requirement)
            yield f"'{plain}'" if "<" in plain else plain

    @pytest.mark.parametrize(
        ("called", "expected"),
        [
            ("/usr/local/bin/darknet-safetensors", "darknet-safetensors info 'a b'"),
            ("darknet-safetensors.exe", "darknet-safetensors info 'a b'"),
            (str(ROOT / "converter/__main__.py"), "python -m converter info 'a b'"),
            (str(ROOT / "scripts/convert.py"), f"python {ROOT}/scripts/info.py 'a b'"),
            ("/elsewhere/convert.py", "python -m converter info 'a b'"),
            ("", "python -m converter info 'a b'"),
        ],
    )
    def test_a_command_is_called_as_this_one_was(self, monkeypatch, called, expected):
        monkeypatch.setattr(sys, "argv", [called])
        assert command("info", "a b") == expected

    def test_a_script_is_named_from_where_it_was_called(self, monkeypatch):
        monkeypatch.chdir(ROOT / "scripts")
        monkeypatch.setattr(sys, "argv", ["convert.py"])
        assert command("download", "yolov3") == "python download.py yolov3"


class TestArguments:
    """An option is named as the caller gives it."""

    @pytest.mark.parametrize(
        ("option", "value", "shell", "python"),
        [
            ("--cfg", None, "--cfg", "cfg="),
            ("--cfg", "my net.cfg", "--cfg 'my net.cfg'", "cfg='my net.cfg'"),
            ("--names-encoding", None, "--names-encoding", "names_encoding="),
            ("--opset", 18, "--opset 18", "opset=18"),
            ("--force", None, "--force", "force=True"),
            ("--no-verify", None, "--no-verify", "verify=False"),
            ("-o", None, "-o", "output="),
        ],
    )
    def test_of_a_command_and_in_python(self, option, value, shell, python):
        assert argument(option, value) == python
        for call in ((), ("info", "x.weights")):
            with running(*call):
                assert argument(option, value) == shell
        assert argument(option, value) == python

    def test_what_is_done_again(self):
        assert again("--cfg", "x.cfg") == "cfg='x.cfg'"
        with running():
            assert again("--cfg", "x.cfg") is None
        with running("info", "x.weights"):
            assert again("--cfg", "x.cfg") == "python -m converter info x.weights --cfg x.cfg"

    def test_files_that_are_called_as_an_option_are_kept(self):
        with running("detect", "x.weights", "--cfg=a", "--cfg", "b", "--", "--cfg", "p.png"):
            assert again("--cfg", "x.cfg") == (
                "python -m converter detect x.weights --cfg x.cfg -- --cfg p.png"
            )

    @pytest.mark.parametrize(
        ("function", "module", "without"),
        [
            (convert, "convert", "--jobs --report"),
            (revert, "convert", "--dtype --jobs --max-download --names --names-encoding --partial"
             " --report --strict"),
            (rename, "convert", "--cfg-out --for --jobs --max-download --partial --report"),
            (verify, "verify", "--against --force --image --report --seed"),
            (info, "info", "--cfg-out --engines --for --force --match --silu --table-out"),
            (download, "download", "--cfg --classes --list --output -o"),
            (export_checkpoint, "export", "--format"),
            (yolov3.export, "export", "--cfg --dialect --family --family-table --names"
             " --names-encoding --no-verify"),
        ],
    )  # fmt: skip
    def test_each_option_of_a_command_is_an_argument_of_the_function(
        self, function, module, without
    ):
        """By the name that remedies give it, but for what only the command has."""
        parser = import_module(f"converter.cli.{module}").make_parser("x")
        every = {option for action in parser._actions for option in action.option_strings}
        options = {each for each in every if each.startswith("--") or each == "-o"}
        options -= {"--help", "--json", "--quiet", "--verbose", "--version"}
        parameters = inspect.signature(function).parameters
        left = {each for each in options if argument(each).partition("=")[0] not in parameters}
        assert left == set(without.split())

    @pytest.mark.parametrize("value", [[], {}, 5, b"x.weights"])
    @pytest.mark.parametrize(
        ("function", "arguments", "name"),
        [
            (convert, {"source": "x.weights"}, "source output cfg names family dialect cfg_out"
             " engine names_encoding"),
            (revert, {"checkpoint": "x.pt"}, "checkpoint output cfg dialect family cfg_out engine"),
            (rename, {"checkpoint": "x.pt", "output": "y.pt"}, "checkpoint output cfg names family"
             " source_family dialect names_encoding"),
            (verify, {"source": "x.weights", "checkpoint": "x.pt"}, "source checkpoint cfg names"
             " dialect family names_encoding"),
            (info, {"path": "x.weights"}, "path cfg dialect family"),
            (yolov3.load, {"path": "x.weights"}, "path cfg names dialect family names_encoding"),
            (download, {"name": "yolov3"}, "name directory"),
        ],
    )  # fmt: skip
    def test_what_is_no_text_is_refused_by_its_name(self, function, arguments, name, value):
        for each in name.split():
            with pytest.raises(UsageError) as caught:
                function(**{**arguments, each: value})
            assert str(caught.value) == f"{each}={value!r} must be a string or a path"

    @pytest.mark.parametrize("function", [convert, revert, info, download])
    def test_what_must_be_given_is_not_none(self, function):
        """As the value of a variable that was not set."""
        with pytest.raises(UsageError, match=r"^\w+=None must be a string or a path$"):
            function(None)

    @pytest.mark.parametrize("workers", [-1, 0, "2", 1.5])
    def test_no_number_of_workers(self, workers):
        with pytest.raises(UsageError) as caught:
            convert_many(["x.weights"], workers=workers)
        assert str(caught.value) == f"workers={workers!r} must be a whole number from 1 on"

    @pytest.mark.parametrize(
        ("arguments", "name"), [({"sources": [None]}, "source"), ({"out": []}, "out")]
    )
    def test_what_is_no_text_among_many(self, arguments, name):
        with pytest.raises(UsageError, match=f"^{name}=.* must be a string or a path$"):
            convert_many(**{"sources": ["x.weights"], **arguments})

    def test_an_output_that_is_there(self, sample, capsys):
        sample.checkpoint.write_text("another")
        with pytest.raises(DarknetError) as caught:
            convert(sample.weights)
        assert caught.value.remedy == (
            "replace it with force=True, or choose another output with output="
        )
        assert main(["convert", str(sample.weights)]) == 1
        assert capsys.readouterr().err.endswith(
            " (replace it with --force, or choose another output with -o)\n"
        )

    def test_of_many_files(self, sample, tmp_path, capsys):
        """The processes speak to whoever called: a command here, there a function."""
        second = tmp_path / "b.weights"
        second.write_bytes(sample.weights.read_bytes())
        call = ["convert", str(sample.weights), str(second), "--cfg", str(sample.cfg), "-j", "1"]
        for path in (sample.checkpoint, second.with_suffix(".safetensors")):
            path.write_text("another")
        assert main(call) == 1
        assert capsys.readouterr().err.count("(replace it with --force, or choose") == 2
        (result,) = convert_many([sample.weights], workers=1)
        assert result.facts["error"]["remedy"].startswith("replace it with force=True, or choose")
