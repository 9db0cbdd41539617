"""The drawn figures."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image
from small_fonts import make_font

from converter.errors import ExtraError, OutputError
from yolov3.detection.metrics.darknet_map import Curve
from yolov3.detection.metrics.plots import NAMES, draw_plots

EMPTY = Curve(recall=np.empty(0), precision=np.empty(0))
HALF = Curve(recall=np.array([0.5]), precision=np.array([1.0]))


def colours(path) -> dict[tuple[int, int, int], int]:
    """How many pixels have each."""
    with Image.open(path) as image:
        return {colour: count for count, colour in image.convert("RGB").getcolors(1 << 20)}


BLUE, ORANGE, GREY = (31, 119, 180), (255, 127, 14), (204, 204, 204)  # matplotlib's tab10, "0.8"


def test_both_are_drawn_into_a_new_folder(tmp_path):
    folder = tmp_path / "plots"
    drawn = draw_plots(folder, [HALF, EMPTY], Counter({(0, 0): 1, (1, None): 1}), ["a", "b"])
    assert drawn == [folder / name for name in NAMES]
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert BLUE in colours(drawn[0])  # the one curve; b has none
    assert ORANGE not in colours(drawn[0])
    # the whole of the row "a" was found, half the row "b" was not: Blues at 1
    assert (8, 48, 107) in colours(drawn[1])


def test_no_more_than_ten_curves_have_a_colour(tmp_path):
    path, _ = draw_plots(tmp_path, [HALF] * 10, Counter(), list("abcdefghij"))
    before = colours(path)[GREY]  # the frame of the legend
    better = Curve(recall=np.array([0.7]), precision=np.array([1.0]))
    path, _ = draw_plots(tmp_path, [better] + [HALF] * 10, Counter(), list("abcdefghijk"))
    # a line as long as 0.7 of the picture's width, of about 880 pixels
    assert colours(path)[GREY] > before + 150


def test_the_classes_of_most_mistakes_are_in_the_matrix(tmp_path):
    """31 classes: one without a mistake is left out, and the picture is as large as of 30."""
    wrong = Counter({(i, None): 1 for i in range(30)})
    _, path = draw_plots(tmp_path / "30", [EMPTY] * 31, wrong, list(map(str, range(31))))
    _, other = draw_plots(
        tmp_path / "31", [EMPTY] * 31, wrong + Counter({(30, 30): 9}), list(map(str, range(31)))
    )
    with Image.open(path) as one, Image.open(other) as two:
        assert one.size == two.size
        assert (8, 48, 107) in colours(other)  # of the misses


def test_nothing_at_all(tmp_path):
    for path in draw_plots(tmp_path, [], Counter(), []):
        assert path.stat().st_size > 1000


@pytest.mark.parametrize("name", ["$\\frac{", "a_b$x$", "n" * 10_000, "\n", "", "\ud800"])
def test_names_are_no_formulas(tmp_path, name):
    draw_plots(tmp_path, [HALF], Counter({(0, 0): 1}), [name])


def test_a_script_that_only_one_font_of_the_system_has(tmp_path, font_folder, monkeypatch, caplog):
    known = font_manager.fontManager.ttflist
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(known))
    make_font(font_folder / "squares.ttf", "\ua984\ua98f")  # Javanese
    draw_plots(tmp_path / "plots", [HALF], Counter({(0, 0): 1}), ["a \ua984\ua98f"])
    assert caplog.messages == []


def test_a_script_that_no_font_has(tmp_path, caplog):
    """Of the private use area: no font may have it."""
    draw_plots(tmp_path, [HALF], Counter({(0, 0): 1}), ["\U0010fffd"])
    assert caplog.messages == ["no font here has all characters of the class names: some are boxes"]


def test_pictures_of_others_stay(tmp_path):
    (tmp_path / NAMES[1]).write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"confusion.png: exists already, and was not drawn"):
        draw_plots(tmp_path, [], Counter(), [])
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[1]]
    (tmp_path / NAMES[1]).unlink()
    draw_plots(tmp_path, [], Counter(), [])
    draw_plots(tmp_path, [], Counter(), [])  # its own


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match=r"a: is no folder \(choose another with --plots"):
        draw_plots(tmp_path / "a", [], Counter(), [])


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ExtraError, match=r"needs matplotlib \(pip install matplotlib\)"):
        draw_plots(tmp_path / "plots", [], Counter(), [])
    assert not Path(tmp_path / "plots").exists()
