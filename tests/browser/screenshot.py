#!/usr/bin/env python3
"""Make the README's picture of the report: python tests/browser/screenshot.py

It shows the sample's report with one layer held, and becomes tests/data/report.png.
"""

import io
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from browser.chromium import launched  # noqa: E402
from PIL import Image  # noqa: E402

from converter import convert  # noqa: E402
from converter.report import write_report  # noqa: E402

WINDOW = {"width": 1400, "height": 1160}


def main() -> None:
    """Convert the sample, report on it, and keep the upper part of the page."""
    source = TESTS / "data" / "shapes" / "shapes.weights"
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        done = convert(source, Path(folder, "shapes.safetensors"))
        report = Path(folder, "shapes.html")
        write_report(done.plan, done.metadata, source, report, verified=done.verified)
        page = browser.new_page(viewport=WINDOW)
        page.goto(report.as_uri())
        page.locator('.chip[data-layer="84"]').hover()
        page.evaluate("scrollTo(0, 0)")
        card = page.locator("section:has(.graph)").bounding_box()
        size = {"width": WINDOW["width"], "height": card["y"] + card["height"] + 12}
        picture = page.screenshot(clip={"x": 0, "y": 0, **size})
    target = TESTS / "data" / "report.png"
    # A palette of 256 colours is enough for flat colours, and a third of the size.
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
