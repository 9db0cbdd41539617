"""Fonts for names in any script."""

import logging
import sys

import pytest
from small_fonts import make_font

from yolov3.drawing import fonts
from yolov3.drawing.fonts import font_for


def test_pillows_own_for_what_it_has(font_folder):
    make_font(font_folder / "squares.ttf", "person")
    assert font_for("person 98%", 20).getname()[0] == "Aileron"  # Pillow's, ImageFont.py


def test_korean_names_get_a_font_that_has_them(font_folder):
    make_font(font_folder / "latin.ttf", "abc")
    make_font(font_folder / "deep/korean.ttf", "사람자전거 0123456789%")
    font = font_for("자전거 98%", 20)
    assert font.getname()[0] == "korean"
    # three squares of 20 px, a space, and three more
    assert font.getlength("자전거") == 60


def test_of_two_the_one_with_more_letters(font_folder, caplog):
    make_font(font_folder / "a.ttf", "자")
    make_font(font_folder / "b.ttf", "자전")
    assert font_for("자전거", 20).getname()[0] == "b"
    assert "the letters '거' (HANGUL)" in caplog.text


def test_of_two_that_have_all_the_plain_one_of_a_known_family(font_folder):
    make_font(font_folder / "Fancy.ttf", "자전거")
    make_font(font_folder / "NotoSansCJK-Bold.ttf", "자전거")
    make_font(font_folder / "NotoSansCJK-Regular.ttf", "자전거")
    assert font_for("자전거", 20).getname()[0] == "NotoSansCJK-Regular"


def test_each_script_has_its_font(font_folder):
    make_font(font_folder / "korean.ttf", "자전거")
    make_font(font_folder / "japanese.ttf", "自転車")
    names = [font_for(text, 20).getname()[0] for text in ("자전거", "自転車", "자전거")]
    assert names == ["korean", "japanese", "korean"]


def test_without_one_it_is_said_once_and_drawn_all_the_same(font_folder, caplog):
    with caplog.at_level(logging.WARNING):
        for text in ("자전거 98%", "사람 7%", "자전거 98%"):
            assert font_for(text, 20).getname()[0] == "Aileron"
    (record,) = caplog.records
    assert "the letters '자전거' (HANGUL)" in record.getMessage()


def test_files_that_are_no_fonts_are_passed_over(font_folder):
    (font_folder / "broken.ttf").write_bytes(b"no font")
    (font_folder / "empty.otf").touch()
    (font_folder / "gone.ttf").symlink_to(font_folder / "nowhere")
    make_font(font_folder / "z.ttf", "자전거")
    assert font_for("자전거", 20).getname()[0] == "z"


def test_the_frames_of_macos_are_no_letters(font_folder):
    make_font(font_folder / "LastResort.otf", "자전거")
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


def test_marks_and_controls_are_not_missed(font_folder, caplog):
    font_for("e\u0301 \t\u200d", 20)
    assert not caplog.records
