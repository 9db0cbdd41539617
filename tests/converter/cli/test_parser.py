"""The arguments that all commands share."""

import argparse

import pytest

from converter import UsageError
from converter.cli.parser import CommandParser, positive_int


def parser() -> CommandParser:
    made = CommandParser("tool do", "X [X ...]", "Do it.", ("x", "'*.y' --json"))
    made.add_argument("-n", type=positive_int)
    return made


def test_examples_begin_with_the_program():
    assert parser().format_help().endswith("examples:\n  tool do x\n  tool do '*.y' --json\n")


def test_shared_options():
    arguments = parser().parse_args(["--json", "-q", "-v"])
    assert (arguments.json, arguments.quiet, arguments.verbose) == (True, True, True)
    arguments = parser().parse_args([])
    assert (arguments.json, arguments.quiet, arguments.verbose) == (False, False, False)


@pytest.mark.parametrize("argument", ["--jso", "--quie"])
def test_options_are_written_out(argument):
    """An abbreviated --json would be found too late to refuse the rest in JSON."""
    with pytest.raises(UsageError, match=f"unrecognized arguments: {argument}") as caught:
        parser().parse_args([argument])
    assert caught.value.remedy == f"did you mean {'--json' if 'j' in argument else '--quiet'}?"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--verbos=1"], "did you mean --verbose?"),
        (["--nonsense", "--jsn"], "did you mean --json?"),
        (["--nonsense"], "see tool do --help"),
        # What the two dashes make alike is not: "size" and "quiet" share two letters in order.
        (["--size", "3"], "see tool do --help"),
        (["--precision"], "see tool do --help"),  # not --version, for its last four letters
        (["--verb"], "did you mean --verbose?"),
        (["-s"], "see tool do --help"),
        (["--=1"], "see tool do --help"),
        (["jsn"], "see tool do --help"),  # no option
        (["-n", "jsn"], "see tool do --help"),  # another fault
    ],
)
def test_a_misspelt_option(arguments, remedy):
    with pytest.raises(UsageError) as caught:
        parser().parse_args(arguments)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("12", 12), ("007", 7)])
def test_positive_int(text, value):
    assert positive_int(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "", "x", " 1", "1_0"])
def test_what_is_no_positive_int(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a positive integer"):
        positive_int(text)
