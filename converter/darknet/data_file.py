"""Darknet's .data file: which lists and names belong together, as lines ``key = value``."""

from __future__ import annotations

from collections.abc import Iterator


def data_options(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, key and value of each line that is none of ``#`` or ``;``.

    Every space is dropped, inside a path as well. The value is "" where there is none. The first
    one of a key counts. pjreddie/darknet@f6afaab src/option_list.c:7-68, src/utils.c:302.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        words = "".join(line.split())
        if words and words[0] not in "#;":
            key, _, value = words.partition("=")
            yield number, key, value
