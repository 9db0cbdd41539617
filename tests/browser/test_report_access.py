"""WCAG 2.2, levels A and AA, of the report: axe-core, and the contrast of what axe cannot judge."""

import re

import pytest
from browser.access import violations
from browser.conftest import WIDTHS

pytestmark = pytest.mark.browser

KINDS = ("weights", "combine", "route", "resize", "pool", "head", "other")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["parity", "article", "long"])
def test_no_violation(opened, pages, name, scheme):
    with opened(pages[name], color_scheme=scheme) as page:
        page.locator('.chip[data-layer="84"]').click()
        page.locator("#search").fill("84")  # the other rows are like these five
        assert violations(page) == ""


@pytest.mark.parametrize("width", WIDTHS)
def test_no_violation_at_any_width(opened, pages, width):
    with opened(pages["named"], viewport={"width": width, "height": 844}) as page:
        page.locator('.chip[data-layer="12"]').click()
        page.locator("#search").fill("12")
        assert violations(page) == ""


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``: WCAG 2.2, "relative luminance"."""
    channels = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)


@pytest.fixture(scope="module", params=["light", "dark"])
def style(request, opened, pages):
    """style(selector, classes, property): the computed colour of an element with those classes."""
    with opened(pages["shapes"], color_scheme=request.param) as page:
        yield lambda selector, classes, what="fill": page.locator(selector).first.evaluate(
            "(e, [classes, what]) => {"
            " const owner = e.closest('a') ?? e;"
            " owner.setAttribute('class', classes);"
            " return getComputedStyle(e)[what] }",
            [classes, what],
        )


@pytest.fixture(scope="module")
def card(style):
    return style("#network-title >> xpath=..", "card", "backgroundColor")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["converted", "left-out", "not-in-the-file"])
def test_chips(style, kind, state):
    """Text needs 4.5 : 1 (1.4.3), the edge of a control 3 : 1 (1.4.11)."""
    classes = f"chip {kind} {state}"
    fill, edge = (style(".graph a rect", classes, what) for what in ("fill", "stroke"))
    assert contrast(style(".graph a text", classes), fill) >= 4.5
    for part in ("backbone", "neck", "heads", ""):
        assert contrast(edge, style(".panel", f"panel {part}")) >= 3


def test_text_and_lines_of_the_graph(style, card):
    for part in ("backbone", "neck", "heads", ""):
        assert contrast(style(".graph .title", "title"), style(".panel", f"panel {part}")) >= 4.5
    assert contrast(style(".graph .caption", "caption"), card) >= 4.5
    for kind in ("wire", "wire skip"):
        assert contrast(style(".wire", kind, "stroke"), card) >= 3


def test_bars(style, card):
    assert contrast(style(".multiples .bars", "bars"), card) >= 3


@pytest.mark.parametrize("part", ["backbone", "neck", "heads", ""])
def test_the_byte_map(style, card, part):
    """Neighbouring layers are distinguished, and one of the two shades from the page."""
    shades = [style(".stretch", f"stretch {part} {parity}") for parity in ("even", "odd")]
    assert contrast(*shades) >= 1.5
    assert max(contrast(shade, card) for shade in shades) >= 3
