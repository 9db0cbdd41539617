"""What commands print."""

import json
import sys

from converter import DarknetError, convert
from converter.cli.output import StatusLine, print_error, print_json, print_plan, print_table


def test_json_is_one_line_of_ascii(capsys):
    value = {"path": "\udcff\n\N{EN DASH}"}  # a byte that is no UTF-8, as Python gives file names
    print_json(value)
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out) == value


def test_an_error_is_one_line_on_stderr(capsys):
    print_error(DarknetError("is\nwrong", path="x.cfg", place="line 3", remedy="write\x1b it"))
    assert capsys.readouterr() == ("", "error: x.cfg: line 3: is\\nwrong (write\\x1b it)\n")


def test_the_plan_of_the_toy(toy, capsys):
    """Bytes from 20 on, four a float: 4 biases, 4 scales, ..., as the toy's docstring counts."""
    slots = convert(toy.weights, dry_run=True).plan.slots
    print_plan(slots, equal=["yes"] * 5 + ["NO", "yes"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in (lines[0], lines[1], lines[6])] == [
        ["equal", "layer", "bytes", "tensor", "shape"],
        ["yes", "0", "convolutional", "biases", "20-35", "layers.0.bn.bias", "4"],
        ["NO", "1", "convolutional", "biases", "516-523", "layers.1.conv.bias", "2"],
    ]
    assert len(lines) == 1 + 7
    assert all(line == line.rstrip() for line in lines)


def test_a_table_is_cut_to_a_terminal_and_whole_elsewhere(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    print_table(["0123456789", "0123456789a", "x   "])
    assert capsys.readouterr().out == "0123456789\n0123456789a\nx\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(["0123456789", "0123456789a", "x   "])
    assert capsys.readouterr().out == "0123456789\n0123456...\nx\n"


class TestStatusLine:
    def test_on_a_terminal(self, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        line = StatusLine(quiet=False)
        line.show("1 of \x1b2")
        line.clear()
        assert capsys.readouterr() == ("", "1 of \\x1b2\x1b[K\r\x1b[K\r")

    def test_elsewhere(self, capsys, monkeypatch):
        StatusLine(quiet=False).show("x")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        StatusLine(quiet=True).show("x")
        assert capsys.readouterr() == ("", "")
