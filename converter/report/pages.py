"""A report as text: HTML and Markdown through templates, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from converter.errors import ExtraError, install, printable
from converter.report import charts, diagram, summary, text
from converter.report.drawing import number
from converter.report.model import ArrayView, LayerView, Report
from converter.report.statistics import BINS

# Up to so many rows, the whole table stands in the page: that of every usual network (of darknet's
# and AlexeyAB's cfgs, resnet152_trident has the most arrays, 1,056).
WHOLE = 1_500
# Of a longer one, so many, and as many histograms of layers. Chromium needs 20 s to lay out the
# 50,000 rows of the largest network; the script makes those that are asked for.
LONG = 1_000


def to_json(report: Report) -> str:
    """The mapping report for machines: ``Report.as_dict``."""
    return json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(report: Report) -> str:
    """The mapping report as tables."""
    return _render("report.md.j2", report)


def to_html(report: Report) -> str:
    """The whole page in one file: its style, script and pictures are in it."""
    measured = [layer for layer in report.layers if layer.largest]
    long = WHOLE if len(report.rows) <= WHOLE else LONG
    return _render(
        "report.html.j2",
        report,
        long=long,
        columns=_columns(report),
        arrays=[(row, _cells(report, row)) for row in report.rows[:long]],
        more=[[*_cells(report, row), _bars(row)] for row in report.rows[long:]],
        measured=measured,
        drawn={layer.largest.slot for layer in measured[:long] if layer.largest},
        drawing=diagram.draw(report.plan),
        byte_map=charts.byte_map(report.plan),
        parts=diagram.parts(report.plan),
        error_plot=charts.error_plot(report.parity, len(report.layers)),
        layers=[_for_script(layer) for layer in report.layers],
        histogram=charts.histogram,
        histogram_box=f"0 0 {BINS} {charts.HISTOGRAM_HEIGHT}",
        map_width=charts.MAP_WIDTH,
        kinds={layer.kind for layer in report.layers},
        states={layer.state for layer in report.layers},
        cfg=_cfg_sections(report),
    )


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


def _columns(report: Report) -> list[tuple[str, str, str]]:
    """Name, label and class of each column of the table but the last, the histogram."""
    columns = [
        ("layer", "Layer", "number"),
        ("type", "Type", ""),
        ("kind", "Array", ""),
        ("line", "Line", "number"),
        ("bytes", "Bytes", "number"),
        ("tensor", "Tensor", "code"),
        ("shape", "Shape", ""),
        ("floats", "Floats", "number"),
        ("min", "Min", "number"),
        ("mean", "Mean", "number"),
        ("max", "Max", "number"),
        ("std", "Std", "number"),
    ]
    return [*columns, ("flawed", "NaN, Inf", "number")] if report.flawed else columns


def _cells(report: Report, row: ArrayView) -> list[str]:
    """What the table says of an array, in the order of ``_columns``."""
    slot, s = row.slot, row.statistics
    transposed = " (transposed)" if slot.transposed else ""
    by_rule = " (by rule)" if slot.rule else ""
    cells = [
        str(slot.node.index),
        slot.node.layer.type,
        slot.kind,
        str(report.layers[slot.node.index].line),
        text.span(slot.offset, slot.end - 1),
        slot.tensor or "left out",
        f"{text.shape(slot.shape)}{transposed}{by_rule}",
        f"{slot.floats:,}",
    ]
    values = (s.minimum, s.mean, s.maximum, s.deviation) if s else (None,) * 4
    cells += [text.short(value) for value in values]
    if report.flawed:
        cells.append(f"{s.nan + s.infinite:,}" if s else text.DASH)
    return cells


def _bars(row: ArrayView) -> str:
    """The path of a histogram that the script draws."""
    return charts.histogram(row.statistics.histogram) if row.statistics else ""


def _cfg_sections(report: Report) -> list[tuple[int, str]]:
    """The cfg, safe to show: [net] with all before it, then each layer; first line, and text."""
    lines = report.plan.network.text.replace("\r\n", "\n").split("\n")
    starts = [1, *(layer.line for layer in report.layers), len(lines) + 1]
    return [
        (start, "\n".join(printable(line.expandtabs()) for line in lines[start - 1 : end - 1]))
        for start, end in pairwise(starts)
    ]


def require_jinja() -> None:
    """Check that jinja2 is there.

    Raises:
        ExtraError: it is not.
    """
    if find_spec("jinja2") is None:
        raise ExtraError("reports in HTML and Markdown need jinja2", remedy=install("report"))


def _render(template: str, report: Report, **values: Any) -> str:
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
    return environment.get_template(template).render(
        report=report,
        verdict=summary.verdict(report),
        notices=list(summary.notices(report)),
        facts=summary.facts(report),
        names=report.metadata.names or (),
        **values,
    )


def _cell(value: str) -> str:
    """Text for a cell of a Markdown table, as code: what a file says must not become markup."""
    plain = printable(value).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
