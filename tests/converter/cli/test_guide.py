"""Calls that name no command."""

import json

import pytest

from converter.cli.main import main
from converter.operations.convert import default_output
from converter.published import find_published

PROGRAM = "darknet-safetensors"


def call(*arguments: str) -> int:
    return main(arguments, program=PROGRAM)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands_with_a_line_each(capsys, option):
    assert call(option) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    start = lines.index("commands:") + 1
    listed = [line.split(maxsplit=1) for line in lines[start : start + 8]]
    assert [name for name, _ in listed] == [
        "convert", "verify", "info", "report", "download", "detect", "evaluate", "export",
    ]  # fmt: skip
    assert lines[start + 8] == ""
    assert f"See {PROGRAM} COMMAND --help for the options of a command." in lines


def test_without_arguments_it_is_an_error(capsys):
    """A script whose variable is empty must not go on as if something was done."""
    call("--help")
    guide = capsys.readouterr().out
    assert call() == 2
    assert capsys.readouterr() == ("", guide)


def test_the_guide_begins_with_lines_to_paste(capsys):
    """They go from nothing to boxes; what each needs, the one before it has written."""
    call("--help")
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("to begin with:") + 1
    typed = [line.split() for line in lines[first : lines.index("commands:") - 1]]
    assert [line[:2] for line in typed] == [
        [PROGRAM, "download"], [PROGRAM, "convert"], [PROGRAM, "detect"],
    ]  # fmt: skip
    (name,), (weights,), (checkpoint, _) = (line[2:] for line in typed)
    assert find_published(name).file == weights
    assert default_output(weights).name == checkpoint


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("covert", "convert"), ("verfy", "verify"), ("Info", "info"), ("detection", "detect"),
     ("eval", "evaluate"), ("exports", "export")],
)  # fmt: skip
def test_a_misspelt_command(capsys, typed, meant):
    assert call(typed, "--cfg", "x.cfg") == 2
    assert capsys.readouterr() == (
        "",
        f"error: unknown command '{typed}' (did you mean {meant}?)\n",
    )


@pytest.mark.parametrize("typed", ["yolov3.weights", "help", ""])
def test_what_resembles_no_command(capsys, typed):
    assert call(typed) == 2
    assert capsys.readouterr().err == (
        f"error: unknown command {typed!r} (commands: convert, verify, info, report, download,"
        " detect, evaluate, export)\n"
    )


def test_an_option_before_the_command(capsys):
    assert call("-q", "convert", "x.weights") == 2
    assert capsys.readouterr().err == (
        f"error: unknown option '-q' before a command (see {PROGRAM} --help)\n"
    )


def test_in_json(capsys):
    assert call("covert", "--json") == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["type"], error["message"], error["remedy"]) == (
        "UsageError", "unknown command 'covert'", "did you mean convert?",
    )  # fmt: skip
    assert err.count("\n") == 1


def test_a_name_cannot_control_the_terminal(capsys):
    assert call("\x1b[31mred\n") == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1
