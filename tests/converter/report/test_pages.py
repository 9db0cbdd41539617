"""A report as HTML, Markdown and JSON."""

import json
import re
import sys
from dataclasses import replace

import pytest
import reference

from converter import convert
from converter.errors import ExtraError
from converter.report import pages, write_report
from converter.report.pages import WRITERS
from tests.converter.report.reports import FORMATS, report

TIMES = "\N{MULTIPLICATION SIGN}"


def test_a_file_is_shown_not_obeyed(toy, tmp_path):
    """Names and cfg are a stranger's: they must not become markup, and need not be Unicode."""
    done = convert(toy.weights)
    names = ["<script>alert(1)</script>", "a | b `c`\n", "\ud800"]
    net = replace(done.plan.network, text="# </script><b>\x1b[2J\n" + done.plan.network.text)
    plan = replace(done.plan, network=net)
    meta = replace(done.metadata, names=names)
    pages = {}
    for suffix in FORMATS:
        write_report(plan, meta, toy.weights, tmp_path / f"r{suffix}", verified=True)
        pages[suffix] = (tmp_path / f"r{suffix}").read_bytes().decode()
    assert "<script>alert" not in pages[".html"]
    assert "&lt;script&gt;alert(1)" in pages[".html"]
    assert "# &lt;/script&gt;&lt;b&gt;\\x1b[2J" in pages[".html"]
    assert "`<script>alert(1)</script>, a \\| b 'c'\\n, \\ud800`" in pages[".md"]
    assert json.loads(pages[".json"])["names"] == names


def test_a_file_name_does_not_become_markup(toy, tmp_path):
    path = toy.weights.rename(tmp_path / "a`<b>`_x_|.weights")
    plan = convert(path, cfg=toy.cfg, dry_run=True)
    write_report(plan.plan, plan.metadata, path, tmp_path / "x.md", verified=None)
    lines = (tmp_path / "x.md").read_text().splitlines()
    assert lines[0] == "# `a'<b>'_x_\\|.weights`"
    assert "| Values read from | `a'<b>'_x_\\|.weights` |" in lines


def test_markdown_has_a_line_for_each_array(sample, tmp_path):
    report(convert(sample.weights), sample.weights, tmp_path / "r.md")
    lines = (tmp_path / "r.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| 84 | convolutional | scales |"))
    # 84 is a 1x1 conv with 16 filters: its scales come after its 16 biases.
    first = next(20 + 4 * e.first for e in reference.layout(sample.text) if e.layer == 84) + 64
    assert f"| {first:,}\N{EN DASH}{first + 63:,} | `fpn.merge_convs.1.bn.weight` | 16 |" in row


def test_without_jinja2_one_line_says_so(toy, tmp_path, monkeypatch):
    done = convert(toy.weights)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ExtraError, match="pip install jinja2"):
        report(done, toy.weights, tmp_path / "r.html")
    report(done, toy.weights, tmp_path / "r.json")  # needs none


def test_each_format_has_its_ending():
    assert {suffix: WRITERS[suffix] for suffix in FORMATS} == WRITERS
    assert WRITERS[".json"] is pages.to_json


def test_json_is_what_the_report_says(toy):
    shown = report(convert(toy.weights), toy.weights)
    text = pages.to_json(shown)
    assert text.count("\n") == 1
    assert text.endswith("}\n")
    assert json.loads(text) == shown.as_dict()


def test_json_keeps_letters_as_they_are(toy):
    shown = report(convert(toy.weights), toy.weights)
    shown = replace(shown, metadata=replace(shown.metadata, names=["고양이"]))
    assert '"고양이"' in pages.to_json(shown)


def test_the_page_needs_no_other_file(sample):
    page = pages.to_html(report(convert(sample.weights), sample.weights))
    targets = re.findall(r"""\b(?:href|src)=["']?([^"'\s>]*)""", page)
    assert len(targets) > 107  # a link to each layer
    assert all(target.startswith(("#", "data:")) for target in targets)


def test_the_page_shows_each_layer_with_its_line_of_the_cfg(toy):
    page = pages.to_html(report(convert(toy.weights), toy.weights))
    (data,) = re.findall(r'<script[^>]*id="layers"[^>]*>(.*?)</script>', page, re.DOTALL)
    first, second = json.loads(data)
    # toy's bytes are in tests/converter/test_plan.py
    assert first == {
        "type": "convolutional", "line": 6, "module": "layers.0", "state": "converted",
        "sources": [-1], "inputs": ["3x8x8".replace("x", TIMES)],
        "output": "4x8x8".replace("x", TIMES), "bytes": [20, 516], "error": None,
    }  # fmt: skip
    assert (second["line"], second["sources"], second["bytes"]) == (13, [0], [516, 556])


def test_a_row_of_the_table_has_the_first_and_the_last_byte(toy):
    page = pages.to_html(report(convert(toy.weights), toy.weights))
    assert 'class="number">84\N{EN DASH}515</td>' in page  # the kernel: 108 floats from byte 84 on


def test_the_errors_of_layers_have_three_digits(toy):
    page = pages.to_html(report(convert(toy.weights), toy.weights, parity=[(1, 0.12345, 5e-7)]))
    assert re.search(r'"error": ?\["0\.123", "5e\N{MINUS SIGN}07"\]', decoded(page))


def decoded(page: str) -> str:
    """The page with the escapes of JSON in its script resolved."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), page)
