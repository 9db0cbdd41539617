"""--cfg-out FILE --for ENGINE, of info and of convert, both ways."""

import json

import pytest

from converter.cli.main import main
from converter.darknet.network import read_network
from tests.conftest import TOY

# hank-ai's engine takes no max_crop, no number with an exponent: darknet_cfg.cpp:219, 110
OLD = TOY.replace("[net]\n", "[net]\nmax_crop=9\ndecay=5e-4 # as ever\n")
NEW = TOY.replace("[net]\n", "[net]\n# as ever\ndecay=0.0005\n")
CANNOT = TOY + "[reorg]\nstride=2\n"  # a section that it has no more
SILU = TOY.replace("leaky", "silu")


@pytest.fixture
def old(toy):
    toy.cfg.write_text(OLD)
    return toy


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def for_hank(path) -> tuple[object, ...]:
    return ("--cfg-out", path, "--for", "hank-ai")


def test_info_of_a_cfg_writes_it(old, tmp_path, capsys):
    out = tmp_path / "new.cfg"
    assert run("info", old.cfg, *for_hank(out)) == 0
    assert out.read_text() == NEW
    assert capsys.readouterr().out == f"{out}: the same network, as hank-ai's darknet takes it\n"
    ours, theirs = (read_network(p, e) for p, e in ((old.cfg, "pjreddie"), (out, "hank-ai")))
    assert [node.layer for node in ours.nodes] == [node.layer for node in theirs.nodes]


def test_info_tells_it_as_json(old, tmp_path, capsys):
    out = tmp_path / "new.cfg"
    assert run("info", old.cfg, *for_hank(out), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "output": str(out),
        "engine": "hank-ai",
        "dialect": "pjreddie",
    }


def test_info_of_weights_and_of_a_checkpoint_write_it(old, tmp_path):
    assert run("info", old.weights, *for_hank(tmp_path / "a.cfg")) == 0
    assert run("convert", old.weights, "-q") == 0
    assert run("info", old.checkpoint, *for_hank(tmp_path / "b.cfg")) == 0
    assert (tmp_path / "a.cfg").read_text() == (tmp_path / "b.cfg").read_text() == NEW


def test_the_engine_whose_cfg_it_is_can_be_named(tmp_path):
    # pj's mish is relu, AB's is none that pj has
    cfg, out = tmp_path / "net.cfg", tmp_path / "new.cfg"
    cfg.write_text(TOY.replace("leaky", "mish"))
    assert run("info", cfg, "--dialect", "pjreddie", "--cfg-out", out, "--for", "alexeyab") == 0
    assert out.read_text() == TOY.replace("leaky", "relu")
    assert run("info", cfg, "--cfg-out", out, "--for", "pjreddie", "--force") == 1
    assert out.read_text() == TOY.replace("leaky", "relu")


def test_convert_writes_it_beside_the_checkpoint(old, tmp_path, capsys):
    out = tmp_path / "new.cfg"
    assert run("convert", old.weights, *for_hank(out)) == 0
    assert out.read_text() == NEW
    assert old.checkpoint.exists()
    assert capsys.readouterr().err.count("found beside the weights") == 1


def test_the_way_back_writes_it(old, tmp_path):
    original = old.weights.read_bytes()
    assert run("convert", old.weights, "-q") == 0
    back, out = tmp_path / "back.weights", tmp_path / "new.cfg"
    assert run("convert", old.checkpoint, "-o", back, *for_hank(out)) == 0
    assert out.read_text() == NEW
    assert back.read_bytes() == original


def test_silu_is_what_it_is_said_to_mean(tmp_path, capsys):
    cfg, out = tmp_path / "net.cfg", tmp_path / "new.cfg"
    cfg.write_text(SILU)
    assert run("info", cfg, *for_hank(out)) == 1
    said = capsys.readouterr().err
    assert "line 11: activation=silu" in said
    assert "--silu swish" in said
    assert not out.exists()
    assert run("info", cfg, *for_hank(out), "--silu", "swish") == 0
    assert out.read_text() == TOY.replace("leaky", "swish")
    assert run("info", cfg, *for_hank(out), "--silu", "relu", "--force") == 0
    assert out.read_text() == TOY.replace("leaky", "relu")


class TestRefusals:
    """Before anything is written."""

    @pytest.mark.parametrize("command", ["info", "convert", "back"])
    def test_what_cannot_be_said_there(self, make, tmp_path, capsys, command):
        files = make(TOY)
        files.cfg.write_text(CANNOT)
        source, options = files.weights, ()
        if command == "back":
            assert run("convert", files.weights, "-q") == 0
            source, options = files.checkpoint, ("-o", tmp_path / "back.weights")
        before = set(tmp_path.iterdir())
        name = "info" if command == "info" else "convert"
        assert run(name, source, *options, *for_hank(tmp_path / "new.cfg")) == 1
        if command != "info":
            dry = (*options, "--dry-run")
            assert run(name, source, *dry, *for_hank(tmp_path / "new.cfg")) == 1
        assert set(tmp_path.iterdir()) == before
        error = capsys.readouterr().err.splitlines()[-1]
        assert error == (
            f"error: {source}: line 17: [reorg] cannot be written for hank-ai's darknet"
            " (keep the cfg for pjreddie's darknet)"
        )

    @pytest.mark.parametrize("command", ["info", "convert", "back"])
    def test_another_file_that_is_there(self, old, tmp_path, capsys, command):
        source, options = old.weights, ()
        if command == "back":
            assert run("convert", old.weights, "-q") == 0
            source, options = old.checkpoint, ("-o", tmp_path / "back.weights")
        out = tmp_path / "new.cfg"
        out.write_text("mine\n")
        before = set(tmp_path.iterdir())
        name = "info" if command == "info" else "convert"
        assert run(name, source, *options, *for_hank(out)) == 1
        assert set(tmp_path.iterdir()) == before
        assert out.read_text() == "mine\n"
        assert "--force" in capsys.readouterr().err
        assert run(name, source, *options, *for_hank(out), "--force") == 0
        assert out.read_text() == NEW

    @pytest.mark.parametrize("command", ["info", "convert", "back"])
    def test_a_file_that_it_reads(self, old, tmp_path, command):
        source, options = old.weights, ("--cfg", old.cfg)
        if command == "back":
            assert run("convert", old.weights, "-q") == 0
            source, options = old.checkpoint, ("-o", tmp_path / "back.weights", "--cfg", old.cfg)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        name = "info" if command == "info" else "convert"
        for out in (source, old.cfg):
            assert run(name, source, *options, *for_hank(out), "--force") == 2
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_the_checkpoint_that_it_writes(self, old):
        assert run("convert", old.weights, *for_hank(old.checkpoint), "--force") == 2
        assert not old.checkpoint.exists()

    def test_the_cfg_itself(self, old):
        assert run("info", old.cfg, *for_hank(old.cfg), "--force") == 2
        assert old.cfg.read_text() == OLD

    def test_one_option_without_the_other(self, old, tmp_path, capsys):
        out = tmp_path / "new.cfg"
        for name, file in (("info", old.cfg), ("convert", old.weights)):
            assert run(name, file, "--cfg-out", out) == 2
            assert "--for" in capsys.readouterr().err
            assert run(name, file, "--for", "hank-ai") == 2
            assert "--cfg-out" in capsys.readouterr().err
        assert not out.exists()
        assert not old.checkpoint.exists()

    def test_two_questions_at_once(self, old, tmp_path, capsys):
        out = tmp_path / "new.cfg"
        assert run("info", old.cfg, "--engines", *for_hank(out)) == 2
        assert "--engines and --cfg-out" in capsys.readouterr().err
        assert not out.exists()

    def test_weights_that_are_none(self, old, tmp_path, capsys):
        old.weights.write_bytes(b"text")
        assert run("convert", old.weights, *for_hank(tmp_path / "new.cfg")) == 1
        assert capsys.readouterr().err.startswith(f"error: {old.weights}: ")

    def test_an_engine_that_nobody_knows(self, old, tmp_path):
        out = tmp_path / "new.cfg"
        assert run("info", old.cfg, "--cfg-out", out, "--for", "ultralytics") == 2
        assert not out.exists()

    def test_a_dry_run_writes_none(self, old, tmp_path):
        assert run("convert", old.weights, *for_hank(tmp_path / "new.cfg"), "--dry-run") == 0
        assert {path.suffix for path in tmp_path.iterdir()} == {".cfg", ".weights"}
        assert not (tmp_path / "new.cfg").exists()

    def test_several_files(self, old, tmp_path, capsys):
        other = tmp_path / "other.weights"
        other.write_bytes(old.weights.read_bytes())
        assert run("convert", old.weights, other, *for_hank(tmp_path / "new.cfg")) == 2
        assert "--cfg-out is for one file at a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [("--silu", "swish"), ("--match", "x.weights", "--engines"),
     ("--match", "x.weights", "--cfg-out", "new.cfg", "--for", "hank-ai")],
)  # fmt: skip
def test_options_that_would_be_ignored_are_refused(old, capsys, options):
    assert run("info", old.cfg, *options) == 2
    assert capsys.readouterr().err.startswith(f"error: {options[0]} ")
