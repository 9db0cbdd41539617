"""A font that has the letters of a text: Pillow's own, or one that this system has."""

from __future__ import annotations

import logging
import os
import sys
import typing
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

if typing.TYPE_CHECKING:
    from PIL import ImageFont

log = logging.getLogger("yolov3")

NO_CHARACTER = "\uffff"  # drawn as any character that a font lacks: none has it (Unicode 23.7)
PROBE = 16  # pixels; glyphs that differ do so at this size
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")

# Begins of file names, in lower case: plain fonts with many scripts, which come before others.
PREFERRED = (
    "notosanscjk", "notosanskr", "nanumgothic", "applesdgothicneo", "malgun",
    "dejavusans", "notosans-", "arial unicode", "segoeui", "arial",
)  # fmt: skip

_chosen: dict[frozenset[str], Path | None] = {}  # by scripts that Pillow's own font lacks
_reported: set[frozenset[str]] = set()


def font_for(text: str, size: float) -> ImageFont.FreeTypeFont:
    """The font that has most letters of ``text``: Pillow's own if it has all.

    What none has is said once for each script, and drawn as boxes.

    Args:
        text: one line.
        size: pixels.
    """
    from PIL import ImageFont

    path = path_for(text)
    lacking = _lacking(path, _lacking(None, text))
    scripts = frozenset(map(_script, lacking))
    if scripts and scripts not in _reported:
        _reported.add(scripts)
        log.warning(
            "no font of this system has the letters %r (%s): they are drawn as boxes;"
            " install one that has them, such as Noto's",
            "".join(lacking),
            ", ".join(sorted(scripts)),
        )
    if path is not None:
        return ImageFont.truetype(path, size)
    return typing.cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))


def path_for(text: str) -> Path | None:
    """The font of this system that has most letters of ``text`` that Pillow's own lacks, if any."""
    lacking = _lacking(None, text)
    if not lacking:
        return None
    scripts = frozenset(map(_script, lacking))
    if scripts not in _chosen:
        _chosen[scripts] = _best(lacking)
    return _chosen[scripts]


def _best(characters: Iterable[str]) -> Path | None:
    """The font of the system that lacks the fewest; None if none has any."""
    wanted = set(characters)
    best, fewest = None, len(wanted)
    for path in system_fonts():
        lacking = len(_lacking(path, wanted))
        if lacking < fewest:
            best, fewest = path, lacking
        if not fewest:
            break
    return best


@cache
def system_fonts() -> tuple[Path, ...]:
    """The font files of this system, those for many scripts first."""
    found = {
        Path(folder, name)
        for start in folders()
        for folder, _, names in os.walk(start)
        for name in names
        # macOS draws by LastResort what no font has: a frame with the name of its script.
        if name.lower().endswith(SUFFIXES) and not name.startswith("LastResort")
    }
    return tuple(sorted(found, key=_rank))


def _rank(path: Path) -> tuple[int, bool, int, str]:
    name = path.name.lower()
    first = (i for i, start in enumerate(PREFERRED) if name.startswith(start))
    # The plain style of a family has the shortest name, or says so.
    return next(first, len(PREFERRED)), "regular" not in name, len(name), str(path)


def folders() -> Iterator[Path]:
    """Where this system keeps fonts, the user's own and everybody's."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        for variable, below in (("WINDIR", "Fonts"), ("LOCALAPPDATA", "Microsoft/Windows/Fonts")):
            if os.environ.get(variable):
                yield Path(os.environ[variable], below)
    elif sys.platform == "darwin":
        yield from (Path(start, "Library/Fonts") for start in (home, "/", "/System"))
    else:  # XDG Base Directory Specification, and what was before
        yield Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share", "fonts")
        yield home / ".fonts"
        for start in (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
            yield Path(start, "fonts")


def _script(character: str) -> str:
    """HANGUL, CJK, CYRILLIC, ...: how its name in Unicode begins."""
    return unicodedata.name(character, "OTHER").split()[0]


def _lacking(path: Path | None, characters: Iterable[str]) -> list[str]:
    """The letters that a font, or Pillow's own, has no glyph for; all if it cannot be read."""
    # Spaces, controls and marks are not drawn by themselves.
    letters = [c for c in dict.fromkeys(characters) if unicodedata.category(c)[0] not in "ZCM"]
    return [c for c in letters if not _has(path, c)]


@cache
def _has(path: Path | None, character: str) -> bool:
    font = _probe(path)
    return font is not None and _glyph(font, character) != _glyph(font, NO_CHARACTER)


@cache
def _probe(path: Path | None) -> ImageFont.FreeTypeFont | None:
    from PIL import ImageFont

    if path is None:
        return typing.cast("ImageFont.FreeTypeFont", ImageFont.load_default(PROBE))
    try:
        return ImageFont.truetype(path, PROBE, layout_engine=ImageFont.Layout.BASIC)
    except (OSError, ValueError):  # damaged, not to be read, or of pictures in one size only
        return None


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
