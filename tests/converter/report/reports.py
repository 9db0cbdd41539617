"""Reports of conversions, for the tests of this folder."""

import json
from pathlib import Path

from converter.report import write_report
from converter.report.model import Report

FORMATS = (".html", ".md", ".json")


def report(conversion, source, output=None, **options) -> Report:
    output = output or Path(source).with_suffix(".report.json")
    options = {"verified": conversion.verified or None, "force": True} | options
    return write_report(conversion.plan, conversion.metadata, source, output, **options)


def json_report(conversion, source, **options):
    output = Path(source).with_suffix(".report.json")
    report(conversion, source, output, **options)
    return json.loads(output.read_text())


def arrays(facts):
    return {
        (layer["index"], row["kind"]): row for layer in facts["layers"] for row in layer["arrays"]
    }
