"""Fonts for names in any script."""

import logging
import sys

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from yolov3.drawing import fonts
from yolov3.drawing.fonts import font_for, system_fonts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The one folder that has fonts; nothing is known of others."""
    monkeypatch.setattr(fonts, "folders", lambda: [tmp_path])
    monkeypatch.setattr(fonts, "_chosen", {})
    monkeypatch.setattr(fonts, "_reported", set())
    system_fonts.cache_clear()
    yield tmp_path
    system_fonts.cache_clear()


def make_font(path, characters):
    """A font whose letters are black squares as wide as high, and which has no others."""
    pen = TTGlyphPen(None)
    for step, point in enumerate([(0, 0), (0, 1000), (1000, 1000), (1000, 0)]):
        (pen.lineTo if step else pen.moveTo)(point)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    names = {ord(c): f"u{ord(c):04X}" for c in characters}
    glyphs = {".notdef": empty, **dict.fromkeys(names.values(), square)}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(names)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)
    return path


def test_pillows_own_for_what_it_has(folder):
    make_font(folder / "squares.ttf", "person")
    assert font_for("person 98%", 20).getname()[0] == "Aileron"  # Pillow's, ImageFont.py


def test_korean_names_get_a_font_that_has_them(folder):
    make_font(folder / "latin.ttf", "abc")
    make_font(folder / "deep/korean.ttf", "사람자전거 0123456789%")
    font = font_for("자전거 98%", 20)
    assert font.getname()[0] == "korean"
    # three squares of 20 px, a space, and three more
    assert font.getlength("자전거") == 60


def test_of_two_the_one_with_more_letters(folder, caplog):
    make_font(folder / "a.ttf", "자")
    make_font(folder / "b.ttf", "자전")
    assert font_for("자전거", 20).getname()[0] == "b"
    assert "the letters '거' (HANGUL)" in caplog.text


def test_of_two_that_have_all_the_plain_one_of_a_known_family(folder):
    make_font(folder / "Fancy.ttf", "자전거")
    make_font(folder / "NotoSansCJK-Bold.ttf", "자전거")
    make_font(folder / "NotoSansCJK-Regular.ttf", "자전거")
    assert font_for("자전거", 20).getname()[0] == "NotoSansCJK-Regular"


def test_each_script_has_its_font(folder):
    make_font(folder / "korean.ttf", "자전거")
    make_font(folder / "japanese.ttf", "自転車")
    names = [font_for(text, 20).getname()[0] for text in ("자전거", "自転車", "자전거")]
    assert names == ["korean", "japanese", "korean"]


def test_without_one_it_is_said_once_and_drawn_all_the_same(folder, caplog):
    with caplog.at_level(logging.WARNING):
        for text in ("자전거 98%", "사람 7%", "자전거 98%"):
            assert font_for(text, 20).getname()[0] == "Aileron"
    (record,) = caplog.records
    assert "the letters '자전거' (HANGUL)" in record.getMessage()


def test_files_that_are_no_fonts_are_passed_over(folder):
    (folder / "broken.ttf").write_bytes(b"no font")
    (folder / "empty.otf").touch()
    (folder / "gone.ttf").symlink_to(folder / "nowhere")
    make_font(folder / "z.ttf", "자전거")
    assert font_for("자전거", 20).getname()[0] == "z"


def test_the_frames_of_macos_are_no_letters(folder):
    make_font(folder / "LastResort.otf", "자전거")
    assert font_for("자전거", 20).getname()[0] == "Aileron"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ["/home/me/.local/share/fonts", "/home/me/.fonts", "/usr/local/share/fonts",
                   "/usr/share/fonts"]),
        ("darwin", ["/home/me/Library/Fonts", "/Library/Fonts", "/System/Library/Fonts"]),
        ("win32", ["/windows/Fonts", "/local/Microsoft/Windows/Fonts"]),
    ],
)  # fmt: skip
def test_the_usual_folders(monkeypatch, platform, expected):
    monkeypatch.setattr(sys, "platform", platform)
    for variable in ("XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("WINDIR", "/windows")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert [path.as_posix() for path in fonts.folders()] == expected


def test_marks_and_controls_are_not_missed(folder, caplog):
    font_for("e\u0301 \t\u200d", 20)
    assert not caplog.records
