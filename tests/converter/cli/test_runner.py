"""Streams, logging and exit codes of all commands."""

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from converter.cli.main import main
from tests.converter.cli.processes import ROOT, SCRIPTS, script

CONVERT = shlex.join([sys.executable, str(SCRIPTS / "convert.py")])
MODULE = shlex.join([sys.executable, "-m", "converter"])


def shell(command: str, *, unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    """Run it from the root; Python would write through to a full device where unbuffered."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    return subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


class TestExitCodes:
    def test_a_refusal_in_one_line_and_in_json(self, tmp_path, capsys):
        missing = tmp_path / "no.weights"
        assert main(["convert", str(missing), "--json"]) == 1
        out, err = capsys.readouterr()
        facts = json.loads(out)
        assert facts["schema"] == 1
        assert facts["error"].keys() == {"type", "message", "path", "place", "remedy"}
        assert (facts["error"]["type"], facts["error"]["path"]) == ("WeightsError", str(missing))
        assert err.count("\n") == 1

    def test_wrong_usage(self, capsys):
        assert main(["convert"]) == 2
        assert main(["convert", "x", "--family", "nonsense"]) == 2
        assert capsys.readouterr().err.count("\n") == 2

    def test_wrong_usage_in_json(self):
        done = script("convert", "--json", "a.weights", "--jobs", "0")
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["type"] == "UsageError"
        assert done.stderr == (
            "error: argument -j/--jobs: '0' is not a positive integer"
            f" (see python {SCRIPTS / 'convert.py'} --help)\n"
        )

    def test_a_file_named_json_asks_for_no_json(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["convert", "--", "--json"]) == 1
        assert capsys.readouterr().out == ""

    def test_a_file_that_no_command_foresaw(self, monkeypatch, capsys):
        def fail(arguments):
            raise OSError(5, "Input/output error", "disk")

        monkeypatch.setattr("converter.cli.info.run", fail)
        assert main(["info", "x.cfg"]) == 1
        assert capsys.readouterr().err == "error: disk: cannot be used: Input/output error\n"

    def test_interrupted(self, sample, tmp_path):
        """Ctrl-C while the target is being written: exit code 130, and nothing left behind."""
        code = (
            "import sys\n"
            "from converter.checkpoint import payload\n"
            "import time\n"
            "payload.write = lambda *a, **k: (print('writing', flush=True), time.sleep(60))\n"
            "from converter.cli.main import main\n"
            "sys.exit(main(['convert', sys.argv[1]]))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(sample.weights)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors.splitlines()[-1]) == (130, "interrupted")
        assert "Traceback" not in errors
        assert sorted(os.listdir(tmp_path)) == ["shapes.cfg", "shapes.names", "shapes.weights"]


class TestLogging:
    def test_quiet_says_nothing_on_stderr(self, sample, capsys):
        assert main(["convert", str(sample.weights), "-q"]) == 0
        assert capsys.readouterr().err == ""

    def test_loggers_are_left_as_they_were(self, sample):
        loggers = [logging.getLogger(name) for name in ("converter", "yolov3")]
        before = [(logger.handlers, logger.level) for logger in loggers]
        assert main(["info", str(sample.cfg), "-v"]) == 0
        assert main(["info", "missing.cfg", "-v"]) == 1
        assert [(logger.handlers, logger.level) for logger in loggers] == before


class TestStandardOutput:
    def test_a_closed_pipe_is_no_traceback(self, sample):
        done = shell(f"{CONVERT} {shlex.quote(str(sample.weights))} --dry-run | head -1")
        assert "Traceback" not in done.stderr
        assert done.stdout.startswith("layer ")

    @pytest.mark.parametrize("unbuffered", [False, True])
    @pytest.mark.parametrize("json_option", ["", "--json"])
    def test_a_full_one(self, toy, unbuffered, json_option):
        command = f"{CONVERT} {shlex.quote(str(toy.weights))} {json_option} -q >/dev/full"
        done = shell(command, unbuffered=unbuffered)
        assert (done.returncode, done.stderr) == (
            1, "error: standard output cannot be written: No space left on device\n"
        )  # fmt: skip

    @pytest.mark.parametrize("unbuffered", [False, True])
    def test_a_full_one_for_a_refusal(self, unbuffered):
        done = shell(f"{CONVERT} no.weights --json >/dev/full", unbuffered=unbuffered)
        assert done.returncode == 1
        assert done.stderr.endswith("standard output cannot be written: No space left on device\n")
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("command", [CONVERT, MODULE])
    def test_a_full_one_for_help(self, command):
        done = shell(f"{command} --help >/dev/full")
        assert (done.returncode, done.stderr) == (
            1, "error: standard output cannot be written: No space left on device\n"
        )  # fmt: skip

    @pytest.mark.parametrize("options", [">&-", "2>&-", ">&- 2>&-"])
    def test_closed_ones(self, toy, options):
        assert shell(f"{CONVERT} {shlex.quote(str(toy.weights))} --json {options}").returncode == 0
        assert shell(f"{CONVERT} no.weights {options}").returncode == 1
        assert shell(f"{MODULE} --help {options}").returncode == 0
        assert shell(f"{MODULE} {options}").returncode == 2

    @pytest.mark.parametrize("encoding", ["cp1252", "cp949"])
    def test_a_console_of_windows(self, tmp_path, toy, encoding):
        """Of \u00e9, \uac00 and the snowman each lacks some; what it has is written as it is."""
        stem = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{HANGUL SYLLABLE GA} \N{SNOWMAN}"
        weights = toy.weights.rename(tmp_path / f"{stem}.weights")
        toy.cfg.rename(tmp_path / f"{stem}.cfg")
        checkpoint = weights.with_suffix(".safetensors")
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        for arguments in (
            ("convert", weights), ("convert", weights, "--dry-run"),
            ("verify", weights, checkpoint),
            ("info", checkpoint), ("report", weights, "-o", tmp_path / "page.html"),
            ("convert", checkpoint, "-o", tmp_path / f"{stem}2.weights"), ("convert", "--help"),
            ("convert", f"{weights}\N{SNOWMAN}"),
        ):  # fmt: skip
            command = [sys.executable, "-m", "converter", *arguments]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, check=False
            )
            assert (done.returncode, b"Traceback" in done.stderr) == (
                int(str(arguments[-1]).endswith("\N{SNOWMAN}")), False
            ), done.stderr  # fmt: skip
            if arguments == ("convert", weights):
                shown = stem.encode(encoding, "backslashreplace")
                assert os.fsencode(tmp_path) + b"/" + shown in done.stdout

    def test_text_is_utf_8_whatever_the_system_says(self, tmp_path, toy):
        """Windows' own encoding is another one; ``-X`` has Python say who asks for it."""
        checkpoint = toy.checkpoint
        warn = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
        for arguments in (
            ("convert", toy.weights, "--report", tmp_path / "a.md"),
            ("verify", toy.weights, checkpoint, "--report", tmp_path / "b.html"),
            ("info", checkpoint), ("info", toy.cfg),
            ("convert", checkpoint, "-o", tmp_path / "2.weights", "--cfg-out", tmp_path / "2.cfg"),
        ):  # fmt: skip
            done = subprocess.run(
                [*warn, "-m", "converter", *arguments], cwd=ROOT, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr

    def test_a_locale_without_the_characters(self, tmp_path, toy):
        target = tmp_path / "\N{HANGUL SYLLABLE GA}.safetensors"
        command = f"{CONVERT} {shlex.quote(str(toy.weights))} -o {shlex.quote(str(target))}"
        done = shell(f"PYTHONIOENCODING=ascii {command}")
        assert done.returncode == 0
        assert "/\\uac00.safetensors: " in done.stdout
