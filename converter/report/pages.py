"""A report as text: HTML and Markdown through templates, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from converter.errors import ExtraError, install, printable
from converter.report import charts, diagram, summary, text
from converter.report.drawing import number
from converter.report.model import LayerView, Report
from converter.report.statistics import BINS


def to_json(report: Report) -> str:
    """The mapping report for machines: ``Report.as_dict``."""
    return json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(report: Report) -> str:
    """The mapping report as tables."""
    return _render("report.md.j2", report=report, **_words(report))


def to_html(report: Report) -> str:
    """The whole page in one file: its style, script and pictures are in it."""
    return _render(
        "report.html.j2",
        report=report,
        **_words(report),
        drawing=diagram.draw(report.plan),
        byte_map=charts.byte_map(report.plan),
        parts=diagram.parts(report.plan),
        error_plot=(
            charts.error_plot(report.parity, len(report.layers)) if report.parity else None
        ),
        layers=[_for_script(layer) for layer in report.layers],
        histogram=charts.histogram,
        histogram_box=f"0 0 {BINS} {charts.HISTOGRAM_HEIGHT}",
        map_width=charts.MAP_WIDTH,
        kinds={layer.kind for layer in report.layers},
        states={layer.state for layer in report.layers},
        cfg_lines=_cfg_lines(report.plan.network.text),
    )


def _words(report: Report) -> dict[str, Any]:
    return {
        "verdict": summary.verdict(report),
        "notices": summary.notices(report),
        "facts": summary.facts(report),
    }


WRITERS: dict[str, Callable[[Report], str]] = {
    ".html": to_html,
    ".md": to_markdown,
    ".json": to_json,
}


def _for_script(layer: LayerView) -> dict[str, Any]:
    """What the page's script shows of a layer beside its rows of the table."""
    node = layer.node
    return {
        "type": node.layer.type,
        "line": layer.line,
        "module": layer.module,
        "state": layer.state,
        "sources": list(node.sources),
        "inputs": [text.shape(shape) for shape in node.inputs],
        "output": text.shape(node.output),
        "bytes": layer.bytes,
        "error": layer.parity and [text.short(value) for value in layer.parity[1:]],
    }


def _cfg_lines(text: str) -> list[str]:
    """The lines of a cfg, numbered as ``cfg.parse`` numbers them, safe to show."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [printable(line.expandtabs()) for line in lines]


def require_jinja() -> None:
    """Check that jinja2 is there.

    Raises:
        ExtraError: it is not.
    """
    if find_spec("jinja2") is None:
        raise ExtraError(
            "reports in HTML and Markdown need jinja2",
            remedy=install("report"),
        )


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("converter.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "thousands": lambda value: f"{value:,}",
        "short": text.short,
        "shape": text.shape,
        "span": lambda slot: text.span(slot.offset, slot.end - 1),
        "operation": text.operation,
        "cell": _cell,
        "printable": printable,
        "n": number,
    }
    return environment.get_template(template).render(values)


def _cell(value: str) -> str:
    """Text for a cell of a Markdown table, as code: what a file says must not become markup."""
    plain = printable(value).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
