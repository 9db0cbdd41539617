"""One printable line for each record, warnings marked."""

import io
import logging
import sys

import pytest

from converter.logs import OneLine, ToStderr


def record(level, message, *arguments):
    return logging.LogRecord("converter", level, __file__, 1, message, arguments, None)


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.DEBUG, "27 files"),
        (logging.INFO, "27 files"),
        (logging.WARNING, "warning: 27 files"),
        (logging.ERROR, "error: 27 files"),
    ],
)
def test_warnings_and_what_is_worse_are_marked(level, line):
    assert OneLine().format(record(level, "%d files", 27)) == line


def test_what_a_stranger_wrote_moves_no_cursor_and_breaks_no_line():
    said = OneLine().format(record(logging.WARNING, "%s: no file", "a\nb\x1b[2J\r"))
    assert said == "warning: a\\nb\\x1b[2J\\r: no file"


def test_letters_of_every_language_are_printable():
    assert OneLine().format(record(logging.INFO, "고양이.weights")) == "고양이.weights"


def test_a_line_goes_to_what_standard_error_is_at_that_moment(monkeypatch, capsys):
    handler = ToStderr()
    first, second = io.StringIO(), io.StringIO()
    for stream in (first, second):
        monkeypatch.setattr(sys, "stderr", stream)
        handler.handle(record(logging.WARNING, "here"))
    assert first.getvalue() == second.getvalue() == "warning: here\n"
    assert capsys.readouterr().out == ""
