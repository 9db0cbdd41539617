"""The report in a real browser: what a reader sees, finds and reaches."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import reference
from browser.conftest import NAMES, WIDTHS
from PIL import Image

pytestmark = pytest.mark.browser

TEXT = (Path(__file__).parents[1] / "data" / "shapes" / "shapes.cfg").read_text()
ENTRIES = {(entry.layer, entry.kind): entry for entry in reference.layout(TEXT)}
DASH = "\N{EN DASH}"


def span(layer: int, kind: str) -> str:
    """The bytes of an array as the page writes them, from the cfg alone."""
    entry = ENTRIES[layer, kind]
    first = 20 + 4 * entry.first
    return f"{first:,}{DASH}{first + 4 * int(np.prod(entry.shape)) - 1:,}"


def visible_rows(page):
    return page.locator("#arrays tbody tr:visible")


def cells(row) -> dict[str, str]:
    return row.evaluate(
        "row => Object.fromEntries([...row.cells].map(c => [c.dataset.c, c.textContent]))"
    )


def chip(page, layer: int):
    return page.locator(f'.chip[data-layer="{layer}"]')


@pytest.mark.parametrize("name", ["shapes", "parity", "article", "cut", "named", "long"])
def test_opens_from_disk_without_a_word_to_anyone(opened, pages, name):
    """``opened`` refuses console messages, errors and requests."""
    with opened(pages[name]) as page:
        assert page.locator(".chip").count() == 107
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_the_verdict_comes_first(opened, pages):
    with opened(pages["shapes"]) as page:
        shown = page.get_by_label("Verdict").inner_text().splitlines()
        assert [line for line in shown if line] == [
            "Verified",
            "All 249,382 floats of the checkpoint are bit for bit those of the .weights file.",
        ]


def test_a_search_for_84_scales_leaves_one_row(opened, pages):
    with opened(pages["shapes"]) as page:
        page.get_by_role("searchbox").press_sequentially("84 scales")
        assert visible_rows(page).count() == 1
        found = cells(visible_rows(page))
        assert (found["layer"], found["type"], found["kind"]) == ("84", "convolutional", "scales")
        assert found["bytes"] == span(84, "scales")
        assert found["tensor"] == "fpn.merge_convs.1.bn.weight"
        assert page.locator("#count").inner_text() == "1 of 366 arrays"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("84", 5),  # all arrays of layer 84
        ("heads", 6),  # bias and weight of three heads
        ("HEADS.1 bias", 1),
        ("24x32x1x1", 1),  # 3 * (5 + 3) filters on the tail conv of level 1: a shape
        ("84 yolo", 0),
        ("", 366),
    ],
)
def test_search(opened, pages, query, rows):
    with opened(pages["shapes"]) as page:
        page.get_by_role("searchbox").fill(query)
        assert visible_rows(page).count() == rows


def test_columns_sort_both_ways(opened, pages):
    with opened(pages["shapes"]) as page:
        floats = page.get_by_role("columnheader", name="Floats")
        first, last = (page.locator(f"#arrays tbody tr:{end}-child") for end in ("first", "last"))
        sizes = [int(np.prod(entry.shape)) for entry in ENTRIES.values()]
        floats.get_by_role("button").click()
        assert floats.get_attribute("aria-sort") == "ascending"
        assert cells(first)["floats"] == f"{min(sizes):,}"
        floats.get_by_role("button").press("Enter")
        assert floats.get_attribute("aria-sort") == "descending"
        assert cells(first)["floats"] == f"{max(sizes):,}"
        shown = page.locator("#arrays td[data-c=floats]").all_inner_texts()
        assert [int(text.replace(",", "")) for text in shown] == sorted(sizes, reverse=True)
        page.get_by_role("columnheader", name="Bytes").get_by_role("button").click()
        assert floats.get_attribute("aria-sort") is None
        assert cells(first)["bytes"] == span(0, "biases")
        assert cells(last)["bytes"] == span(105, "weights")


def test_small_numbers_sort_by_their_value(opened, pages):
    """Minus signs and exponents are part of it."""
    with opened(pages["shrunk"]) as page:
        page.get_by_role("columnheader", name="Mean").get_by_role("button").click()
        shown = page.locator("#arrays td[data-c=mean]").all_inner_texts()
        values = [float(text.replace("\N{MINUS SIGN}", "-")) for text in shown]
        assert values == sorted(values)
        assert values[0] < 0 < values[-1]
        assert any("e" in text for text in shown)


@pytest.mark.parametrize("way", ["hover", "tap", "focus"])
def test_a_layer_shows_its_facts(opened, pages, way):
    with opened(pages["shapes"], has_touch=True) as page:
        getattr(chip(page, 84), way)()
        detail = page.locator("#detail").inner_text()
        lines = TEXT.splitlines()
        starts = [i for i, line in enumerate(lines, 1) if line.startswith("[")]
        assert "Layer 84 · convolutional" in detail
        assert f"line {starts[85]}\n" in detail  # [net] is the first section
        assert "fpn.merge_convs.1\n" in detail
        assert "batch_normalize=1\nfilters=16\nsize=1\n" in detail
        for kind in ("biases", "scales", "rolling_mean", "rolling_variance", "weights"):
            assert span(84, kind) in detail
        assert "fpn.merge_convs.1.bn.running_var" in detail
        assert "16×32×1×1" in detail  # noqa: RUF001 - as the page writes it
        assert page.locator("#detail .array svg").count() == 5
        assert re.search(r"mean \S+, std \S+", detail)


def test_a_layer_without_weights_shows_what_it_reads(opened, pages):
    with opened(pages["shapes"]) as page:
        chip(page, 86).hover()
        detail = page.locator("#detail").inner_text()
        assert "layer 85 (16×12×12), layer 61 (32×12×12)" in detail  # noqa: RUF001
        assert "layers=-1, 61\n" in TEXT
        assert "layers=-1, 61" in detail


def test_a_click_holds_a_layer_until_escape(opened, pages):
    with opened(pages["shapes"]) as page:
        title = page.locator("#detail h2")
        chip(page, 84).click()
        chip(page, 10).hover()
        assert title.inner_text().startswith("Layer 84")
        page.keyboard.press("Escape")
        chip(page, 11).hover()
        assert title.inner_text().startswith("Layer 11 ")


def test_the_same_layer_is_marked_in_every_picture(opened, pages):
    with opened(pages["parity"]) as page:
        chip(page, 84).hover()
        marked = page.locator('[aria-current="true"]')
        # chip, stretch of the byte map, point of the error plot, histogram, five rows
        assert marked.count() == 4 + 5
        assert set(marked.evaluate_all("all => all.map(e => e.dataset.layer)")) == {"84"}


@pytest.mark.parametrize("name", ["shapes", "long"])
def test_the_graph_is_one_tab_stop_and_arrows_walk_it(opened, pages, name):
    with opened(pages[name]) as page:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.get_attribute("data-layer") == "0"
        for key, layer in (("ArrowRight", "1"), ("End", "106"), ("ArrowUp", "105"), ("Home", "0")):
            page.keyboard.press(key)
            assert focused.get_attribute("data-layer") == layer
            assert page.locator("#detail h2").inner_text().startswith(f"Layer {layer} ")
        page.keyboard.press("Tab")
        assert focused.get_attribute("role") == "slider"


@pytest.mark.parametrize("media", ["screen", "print"])
def test_sheets_draw_what_a_single_picture_draws(opened, pages, media):
    """Each layer where it stands in that picture, to a pixel, and each wire once."""
    found = []
    for name in ("shapes", "long"):
        with opened(pages[name], java_script_enabled=False) as page:
            page.emulate_media(media=media)
            assert page.locator(".sheet").count() == {"shapes": 0, "long": 3}[name]  # 107 layers
            graph = page.locator(".graph").first.bounding_box()
            boxes = [each.bounding_box() for each in page.locator(".chip rect").all()]
            wires = page.locator(".wire").evaluate_all("all => all.map(e => e.outerHTML)")
        places = [
            [box["x"] - graph["x"], box["y"] - graph["y"], box["width"], box["height"]]
            for box in boxes
        ]
        found.append((np.array(places), sorted(wires)))
    (one, wires), (sheets, again) = found
    assert np.abs(sheets - one).max() <= 1
    assert again == wires


def test_the_byte_map_is_a_slider(opened, pages):
    with opened(pages["shapes"]) as page:
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("End")
        # The last of the 75 convolutions is the finest head.
        assert slider.get_attribute("aria-valuenow") == "74"
        assert slider.get_attribute("aria-valuetext").startswith("layer 105 convolutional, bytes ")
        assert page.locator("#detail h2").inner_text().startswith("Layer 105 ")


def test_all_controls_can_be_reached_with_tab(opened, pages):
    with opened(pages["shapes"]) as page:
        reached = []
        for _ in range(40):
            page.keyboard.press("Tab")
            name = page.evaluate(
                "(e => e.id || e.ariaLabel || e.textContent)(document.activeElement)"
            )
            reached.append(name.strip())
        assert "search" in reached
        assert "Floats" in reached
        assert "Arrays" in reached  # the table scrolls with the arrow keys
        assert "The cfg" in reached


def pixels(page) -> np.ndarray:
    """The window as (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


def colour(page, selector: str, attribute: str = "fill") -> tuple[int, ...]:
    text = page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{attribute}")
    return tuple(int(n) for n in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_shows_the_parts(opened, pages, scheme):
    with opened(pages["shapes"], color_scheme=scheme) as page:
        page.locator(".graph").scroll_into_view_if_needed()
        shot = pixels(page)
        boxes = {i: chip(page, i).locator("rect").bounding_box() for i in (0, 36, 84, 86, 98, 106)}
        for layer, kind in ((84, "weights"), (86, "route"), (36, "combine"), (106, "head")):
            box = boxes[layer]
            corner = shot[int(box["y"]) + 4, int(box["x"]) + 4]
            assert tuple(corner) == colour(page, f".chip.{kind} rect")
        # backbone, neck and heads from left to right; the finest level on top
        assert boxes[36]["x"] < boxes[98]["x"] < boxes[106]["x"]
        assert boxes[0]["y"] < boxes[98]["y"] < boxes[86]["y"]


def test_the_byte_map_ends_in_the_colour_of_the_heads(opened, pages):
    with opened(pages["shapes"]) as page:
        page.locator(".map").scroll_into_view_if_needed()
        box = page.locator(".map").bounding_box()
        shot = pixels(page)
        line = box["height"] / 16
        last = shot[int(box["y"] + 15.4 * line), int(box["x"] + box["width"]) - 3]
        assert tuple(last) == colour(page, '.stretch[data-layer="105"]')
        middle = shot[int(box["y"] + 8.4 * line), int(box["x"] + box["width"] / 2)]
        shades = [colour(page, f".stretch.backbone.{parity}") for parity in ("even", "odd")]
        assert tuple(middle) in shades


def test_errors_are_plotted_for_every_layer(opened, pages):
    with opened(pages["parity"]) as page:
        heights = page.locator(".plot circle").evaluate_all(
            "all => all.map(c => +c.getAttribute('cy'))"
        )
        assert len(heights) == 107
        assert heights == sorted(heights, reverse=True)  # the errors grow with the depth
        assert "the largest is 1.06e-05, at layer 106" in (
            page.locator(".plot").get_attribute("aria-label").replace("\N{MINUS SIGN}", "-")
        )
        chip(page, 106).hover()
        shown = page.locator("#detail").inner_text().replace("\N{MINUS SIGN}", "-")
        assert "1.06e-05 absolute, 2.12e-07 relative" in shown


def test_what_was_left_out_is_dashed(opened, pages):
    with opened(pages["article"]) as page:
        dashed = page.locator(".chip.left-out")
        assert dashed.evaluate_all("all => all.map(e => e.dataset.layer)") == [
            "75", "84", "87", "96", "99",
        ]  # fmt: skip
        assert colour(page, ".chip.left-out rect") == colour(
            page, ".card:not(.verdict)", "backgroundColor"
        )
        assert "left out: no place in this model" in page.locator(".legend").inner_text()
        assert "This is no working detector" in page.locator(".notices").inner_text()
        assert page.locator(".unfilled li").count() == 12


def test_what_the_file_lacks_is_dashed(opened, pages):
    with opened(pages["cut"]) as page:
        layers = page.locator(".chip.not-in-the-file").evaluate_all(
            "all => all.map(e => +e.dataset.layer)"
        )
        assert layers[0] == 75
        assert len(layers) == 75 - 52  # convolutions of the network, and of its backbone
        assert page.locator(".unfilled li").count() == 106


def test_without_script_the_page_is_still_whole(opened, pages):
    with opened(pages["shapes"], java_script_enabled=False) as page:
        assert page.locator("#search").is_hidden()
        assert visible_rows(page).count() == 366
        chip(page, 84).click()
        assert page.url.endswith("#l84")
        row = page.locator("#l84").bounding_box()
        assert 0 <= row["y"] <= 900


def test_on_paper_nothing_is_cut_off(opened, pages):
    with opened(pages["shapes"]) as page:
        page.emulate_media(media="print")
        assert page.locator("#detail").is_hidden()
        assert page.locator("#search").is_hidden()
        table = page.locator(".table").evaluate("e => [e.scrollHeight - e.clientHeight]")
        assert table == [0]
        pdf = page.pdf(prefer_css_page_size=True)
        assert pdf.startswith(b"%PDF")
        # 366 rows at about 30 a page, and the pictures
        assert 10 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 30


def test_a_small_screen_shows_the_layer_in_a_drawer(opened, pages):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(pages["shapes"], **phone) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        detail = page.locator("#detail")
        assert detail.is_hidden()
        chip(page, 12).tap()
        box = detail.bounding_box()
        assert box["y"] + box["height"] == pytest.approx(844, abs=1)
        detail.get_by_role("button").tap()
        assert detail.is_hidden()


def overflow(page, selector: str) -> int:
    """By how many pixels the contents are wider than the first such element."""
    return page.locator(selector).first.evaluate("e => e.scrollWidth - e.clientWidth")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", ["100%", "200%"])
def test_labels_of_the_byte_map_stand_beside_their_lines(opened, pages, width, size):
    """The middle of each label is that of its line's bars, whatever the size of the text."""
    with opened(pages["shapes"], viewport={"width": width, "height": 844}) as page:
        page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        labels = page.locator(".map-grid li").evaluate_all(
            "all => all.map(e => e.getBoundingClientRect()).map(r => r.top + r.height / 2)"
        )
        # A bar is a rectangle "M0 18h1000v15h-1000z".
        bars = page.locator(".map").evaluate(
            """map => {
              const height = map.querySelector("path").getAttribute("d").match(/v(\\d+)/)[1];
              const paths = [...map.querySelectorAll("path")].map(p => p.getAttribute("d"));
              const lines = new Set([...paths.join("").matchAll(/ (\\d+)h/g)].map(m => +m[1]));
              const { d, f } = map.getScreenCTM();
              return [...lines].sort((a, b) => a - b).map(y => (y + height / 2) * d + f);
            }"""
        )
        assert len(labels) == len(bars) == 16
        assert labels == pytest.approx(bars, abs=1)


@pytest.mark.parametrize("width", [1260, 1280, 1440, 1920])
def test_heads_and_histograms_are_whole_on_a_screen(opened, pages, width):
    with opened(pages["parity"], viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert overflow(page, ".scroll:has(.graph)") == 0
        assert overflow(page, ".scroll:has(.plot)") == 0
        assert overflow(page, ".multiples") == 0
        head, detail = chip(page, 106).bounding_box(), page.locator("#detail").bounding_box()
        assert head["x"] + head["width"] <= detail["x"]


def test_the_table_with_its_histograms_is_whole_at_1280(opened, pages):
    with opened(pages["shapes"], viewport={"width": 1280, "height": 900}) as page:
        page.locator(".table").evaluate("e => { e.style.contentVisibility = 'visible' }")
        assert overflow(page, ".table") == 0
        last = page.locator("#arrays td svg").first.bounding_box()
        assert last["x"] + last["width"] <= 1280


@pytest.mark.parametrize("width", WIDTHS)
def test_class_names_are_folded_before_the_graph(opened, pages, width):
    with opened(pages["named"], viewport={"width": width, "height": 844}) as page:
        summary = page.get_by_text("80 names", exact=True)
        names = page.locator(".facts details p")
        assert summary.is_visible()
        assert not names.is_visible()
        below = page.locator(".graph").bounding_box()["y"] - summary.bounding_box()["y"]
        assert below < 400
        summary.press("Enter")
        assert names.is_visible()
        assert page.locator("bdi").all_text_contents()[1:] == [
            name.replace("\u200b", "\\u200b") for name in NAMES
        ]
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_class_names_are_unfolded(opened, pages):
    with opened(pages["named"]) as page:
        page.emulate_media(media="print")
        assert page.locator(".facts details p").bounding_box()["height"] > 40


def test_rows_that_do_not_stand_in_the_page_are_found_and_shown(opened, pages):
    with opened(pages["long"]) as page:
        assert visible_rows(page).count() == 100
        page.get_by_role("searchbox").fill("84 scales")
        found = cells(visible_rows(page))
        assert visible_rows(page).count() == 1
        assert found["bytes"] == span(84, "scales")
        assert found["tensor"] == "fpn.merge_convs.1.bn.weight"
        assert visible_rows(page).locator("path.bars").count() == 1
        page.get_by_role("searchbox").fill("")
        assert (
            page.locator("#count").inner_text() == "366 of 366 arrays, the first 100 of them here"
        )
        page.get_by_role("columnheader", name="Bytes").get_by_role("button").click(click_count=2)
        assert cells(page.locator("#arrays tbody tr:first-child"))["bytes"] == span(105, "weights")


def test_a_layer_whose_rows_do_not_stand_in_the_page_shows_its_facts(opened, pages):
    with opened(pages["long"]) as page:
        chip(page, 84).hover()
        detail = page.locator("#detail").inner_text()
        for kind in ("biases", "scales", "rolling_mean", "rolling_variance", "weights"):
            assert span(84, kind) in detail
        assert page.locator("#detail .array svg path").count() == 5


def test_a_search_keeps_the_histograms_of_the_layers(opened, pages):
    with opened(pages["shapes"]) as page:
        page.get_by_role("searchbox").fill("84")
        assert page.locator(".multiples path").count() == 75


def test_the_cfg_has_the_line_of_each_section(opened, pages):
    with opened(pages["shapes"]) as page:
        sections = page.locator(".cfg span")
        starts = [i for i, line in enumerate(TEXT.splitlines(), 1) if line.startswith("[")]
        assert sections.evaluate_all("all => all.map(e => +e.dataset.line)") == [1, *starts[1:]]
        assert "\n".join(sections.all_text_contents()).strip() == TEXT.strip()
