#!/usr/bin/env python3
"""Make converter/official.tsv from checkouts of the engines' repositories.

    python scripts/official_cfgs.py OWNER/NAME=CHECKOUT... > converter/official.tsv

Bytes are taken from git's objects at the pinned commit, never from files of the work tree, whose
line ends may have been changed. How floats grow with classes is not taken for granted: it is
counted with several numbers of classes, and again for the cfg that `download --cfg` would write.
"""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from converter.darknet.cfg import decode_cfg
from converter.darknet.classes import with_class_count
from converter.darknet.dialects import DialectName
from converter.darknet.network import Network, parse_network
from converter.errors import DarknetError
from converter.official import COMMITS

DIALECTS: dict[str, DialectName] = {"pjreddie/darknet": "pjreddie", "AlexeyAB/darknet": "alexeyab"}
TRIED = (1, 2, 3, 7, 20, 80, 365, 1000)  # numbers of classes


def main() -> None:
    """Print the table."""
    print("# repository\tpath\tbytes\tsha256\tclasses\tfloats without classes\tfloats a class")
    seen: set[bytes] = set()
    for argument in sys.argv[1:]:
        repository, _, checkout = argument.partition("=")
        listed = _git(checkout, "ls-tree", "-r", "--name-only", COMMITS[repository], "cfg/")
        for path in listed.decode().splitlines():
            if not path.endswith(".cfg"):
                continue
            data = _git(checkout, "cat-file", "blob", f"{COMMITS[repository]}:{path}")
            if data in seen:
                continue
            seen.add(data)
            try:
                numbers = count(data, DIALECTS[repository])
            except DarknetError as error:
                print(f"left out: {path} of {repository}: {error}", file=sys.stderr)
                continue
            row = (repository, path, len(data), sha256(data).hexdigest(), *numbers)
            print(*row, sep="\t")


def count(data: bytes, dialect: DialectName) -> tuple[int | str, int, int]:
    """Classes ("" for none), floats without them, floats that each adds."""
    text = decode_cfg(data)
    network = parse_network(text, dialect)
    total, classes = network.floats_of(dialect), network.classes
    counts = _counts(text, network, dialect)
    if classes is None or not counts:
        return "" if classes is None else classes, total, 0
    slope = counts[2] - counts[1]
    base = counts[1] - slope
    wrong = [n for n, floats in {**counts, classes: total}.items() if floats != base + slope * n]
    assert not wrong, f"not linear: {wrong} of {counts}"
    return classes, base, slope


def _counts(text: str, network: Network, dialect: DialectName) -> dict[int, int]:
    """Number of classes -> floats; empty if the number cannot be changed."""
    fixed = any(section.find("tree") for section in network.sections)  # as many as in its file
    if fixed or not network.input.is_image:  # [net] of a network for text has as many inputs
        return {}
    try:
        return {
            n: parse_network(with_class_count(text, n), dialect).floats_of(dialect) for n in TRIED
        }
    except DarknetError:
        return {}


def _git(checkout: str, *arguments: str) -> bytes:
    command = ["git", "-C", checkout, *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
