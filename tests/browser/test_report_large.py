"""The report of full-size networks: small, laid out as far as it is seen, accessible as well."""

from pathlib import Path

import pytest
import reference
from browser.access import violations

from converter import convert
from converter.darknet.cfg import MAX_SECTIONS
from converter.report import write_report
from converter.report.pages import LONG

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINK = {"type": "role", "value": "link"}  # of the accessibility tree
CFGS = Path("/usr/share/darknet/cfg")  # Debian's package darknet


@pytest.fixture(scope="module", params=["yolov3", "densenet201"])
def large(request, tmp_path_factory) -> tuple[Path, str]:
    """A report on random weights, and the cfg."""
    text = (CFGS / f"{request.param}.cfg").read_text()
    weights = tmp_path_factory.mktemp("large") / f"{request.param}.weights"
    weights.write_bytes(reference.random_weights(text))
    weights.with_suffix(".cfg").write_text(text)
    done = convert(weights)
    page = weights.with_suffix(".html")
    write_report(done.plan, done.metadata, weights, page, verified=done.verified)
    weights.unlink()
    done.output.unlink()
    return page, text


def test_under_three_megabytes(large):
    assert large[0].stat().st_size < 3_000_000


def test_rows_are_laid_out_when_they_are_reached(opened, large):
    """Opening does not wait for it; the script at the page's end has run, and answers a search."""
    laid_out = "row => row.checkVisibility({contentVisibilityAuto: true})"
    with opened(large[0]) as page:
        first = page.locator("#arrays tbody tr").first
        assert not first.evaluate(laid_out)
        page.locator("#search").fill("84 scales")
        assert page.locator("#arrays tbody tr:visible").count() == 1
        first.scroll_into_view_if_needed()
        page.wait_for_function(laid_out, arg=first.element_handle())


def test_all_is_wide_enough_at_1280(opened, large):
    """Beside a scroll bar of 15 pixels."""
    with opened(large[0], viewport={"width": 1265, "height": 900}) as page:
        for part in (".scroll:has(.graph)", ".multiples", ".table"):
            cut = page.locator(part).evaluate(
                "e => (e.style.contentVisibility = 'visible', e.scrollWidth - e.clientWidth)"
            )
            assert cut == 0, part


def written(folder: Path, layers: int) -> Path:
    """A report on so many layers."""
    layer = "[convolutional]\nbatch_normalize=1\nfilters=2\nsize=1\nactivation=leaky\n"
    text = "[net]\nwidth=32\nheight=32\nchannels=3\n" + layer * layers
    weights = folder / "largest.weights"
    weights.write_bytes(reference.random_weights(text))
    weights.with_suffix(".cfg").write_text(text)
    done = convert(weights, verify=False)
    page = weights.with_suffix(".html")
    write_report(done.plan, done.metadata, weights, page, verified=None)
    return page


@pytest.fixture(scope="module")
def largest(tmp_path_factory) -> Path:
    """A report on as many layers as a cfg may have."""
    return written(tmp_path_factory.mktemp("largest"), MAX_SECTIONS - 1)


def test_ten_thousand_layers_open_and_are_searched(browser, largest):
    """Most rows are made when they are asked for, and most layers of the graph laid out once it is
    open: 1.0 to 1.5 seconds on a quiet machine of two cores.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(largest.as_uri(), timeout=120_000)
    assert page.locator(".chip").count() == MAX_SECTIONS - 1
    assert page.locator("#arrays tbody tr").count() == 1000
    page.locator("#search").fill("9998 scales")
    assert page.locator("#arrays tbody tr").count() == 1
    page.close()


def test_the_last_of_ten_thousand_layers_is_laid_out_when_it_is_reached(opened, largest):
    laid_out = "chip => chip.checkVisibility({contentVisibilityAuto: true})"
    with opened(largest) as page:
        last = page.locator(".chip").last
        assert not last.evaluate(laid_out)
        page.locator(".chip").first.focus()
        page.keyboard.press("End")
        assert (
            page.locator("#detail h2").inner_text() == f"Layer {MAX_SECTIONS - 2} · convolutional"
        )
        assert page.locator("#detail .array").count() == 5
        page.wait_for_function(laid_out, arg=last.element_handle())
        assert 0 <= last.bounding_box()["y"] <= 900


@pytest.mark.parametrize("script", [True, False])
def test_a_screen_reader_has_every_layer(opened, tmp_path, script):
    """Of more than are laid out at once; ten thousand took Chromium half a minute."""
    with opened(written(tmp_path, 2 * LONG), java_script_enabled=script) as page:
        if script:
            last = page.locator(".sheet").last.element_handle()
            page.wait_for_function("e => e.style.contentVisibility === 'visible'", arg=last)
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        links = [node["name"]["value"] for node in tree if node.get("role") == LINK]
        layers = [int(name.split()[1][:-1]) for name in links if name.startswith("Layer ")]
        assert layers == list(range(2 * LONG))


def test_every_layer_and_every_array(opened, large):
    path, text = large
    with opened(path) as page:
        assert page.locator(".chip").count() == len(reference.sections(text)) - 1
        arrays = len(list(reference.layout(text)))
        assert page.locator("#arrays tbody tr").count() == arrays
        for search in ("scales", ""):  # and all of them are there again after one
            page.locator("#search").fill(search)
        assert page.locator("#arrays tbody tr").count() == arrays


@pytest.mark.parametrize(
    ("large", "scheme"),
    [("yolov3", "light"), ("yolov3", "dark"), ("densenet201", "light")],
    indirect=["large"],
    scope="module",
)
def test_no_violation(opened, large, scheme):
    with opened(large[0], color_scheme=scheme) as page:
        page.locator('.chip[data-layer="84"]').click()
        assert violations(page) == ""
