"""Pages in a real browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser.chromium import launched
from playwright.sync_api import Browser, Page

from converter import convert
from converter.report import pages as writers
from converter.report import write_report

# A phone, a tablet, a small and a large screen.
WIDTHS = (390, 768, 1280, 1920)
# 80 names as files have them, among them long ones, right to left, of stacked marks, of no width.
NAMES = ["person", "nospace" * 60, "\u05e9\u05dc\u05d5\u05dd", "\u0e01\u0e34\u0e48" * 90, "\u200b"]
NAMES += [f"a class of number {i}" for i in range(len(NAMES), 80)]

SHAPES = Path(__file__).parents[1] / "data" / "shapes"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def opened(browser):
    """Opens a file in a new page that must not complain or ask for anything but itself."""

    @contextmanager
    def open_page(path: Path, **options) -> Iterator[Page]:
        options = {"viewport": {"width": 1440, "height": 900}} | options
        page = browser.new_page(**options)
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        yield page
        page.close()
        assert {url.split("#")[0] for url in asked} == {path.as_uri()}
        assert complaints == []

    return open_page


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Reports of the sample: whole, with errors of each layer, as the article, cut off, shrunk,
    with 80 names, with all but 100 rows left to the script and the layers drawn on sheets.
    """
    folder = tmp_path_factory.mktemp("pages")
    for name in ("shapes.weights", "shapes.cfg", "shapes.names"):
        shutil.copyfile(SHAPES / name, folder / name)

    def write(
        name: str, parity=None, source: str = "shapes.weights", names=None, **options
    ) -> Path:
        done = convert(folder / source, folder / f"{name}.safetensors", **options)
        page = folder / f"{name}.html"
        meta = replace(done.metadata, names=names or done.metadata.names)
        write_report(done.plan, meta, folder / source, page, verified=done.verified, parity=parity)
        return page

    def write_long() -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writers, "WHOLE", 100)
            patch.setattr(writers, "LONG", 100)
            return write("long")

    # Errors as they are in life: growing with the depth, some of them exactly zero.
    parity = [(layer, layer * 1e-7, layer * 2e-9) for layer in range(107)]
    cut = 4 * 162_910 + 20  # the floats of layers 0 to 73
    (folder / "cut.weights").write_bytes((SHAPES / "shapes.weights").read_bytes()[:cut])
    shutil.copyfile(SHAPES / "shapes.cfg", folder / "cut.cfg")
    shrunk = np.fromfile(SHAPES / "shapes.weights", "<f4", offset=20) * np.float32(1e-6)
    head = (SHAPES / "shapes.weights").read_bytes()[:20]
    (folder / "shrunk.weights").write_bytes(head + shrunk.tobytes())
    shutil.copyfile(SHAPES / "shapes.cfg", folder / "shrunk.cfg")
    return {
        "shapes": write("whole"),
        "parity": write("parity", parity),
        "article": write("article", family="article"),
        "cut": write("partial", source="cut.weights", partial=True),
        "shrunk": write("small", source="shrunk.weights"),
        "named": write("named", parity, names=NAMES),
        "long": write_long(),
    }
