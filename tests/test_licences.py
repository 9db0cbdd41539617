"""The licences of what this project uses, as .github/CONTRIBUTING.md lists them."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a licence is called in the table, and in the packages' own words; BSD-3-Clause and so on.
WORDS = {
    "MIT": r"MIT\b",
    "MIT-CMU": r"MIT-CMU|HPND",
    "BSD": r"BSD",
    "Apache 2.0": r"Apache|ASL",
    "MPL 2.0": r"MPL|Mozilla",
    "PSF": r"Python Software Foundation",
}
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU|Affero")
SAYS_NOTHING = ("atheris", "axe-playwright-python")  # their files say it: LICENSE


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def named(*, to_run: bool = False) -> set[str]:
    """The packages that pyproject.toml names, all or those of the programs themselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lists = [names for extra, names in extras.items() if not (to_run and extra == "test")]
    lists.append(project["dependencies"])
    return {canonical(name) for names in lists for name in names} - {"darknet-safetensors"}


def listed() -> dict[str, str]:
    """Each package of the table, with its licence."""
    text = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    text = text.partition("## Licences of what is used")[2].partition("\n## ")[0]
    found = {}
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| licence")):
            licence, *packages = (cell.strip() for cell in line.strip("|").split("|"))
            for name in ", ".join(filter(None, packages)).split(", "):
                assert canonical(name) not in found, f"{name} is there twice"
                found[canonical(name)] = licence
    return found


def words_of(name: str) -> str:
    """What a package says of its licence in its metadata."""
    facts = distribution(name).metadata
    classifiers = [c for c in facts.get_all("Classifier", []) if c.startswith("License")]
    # A whole text is no name: its first line.
    first = [(facts.get(key) or "").partition("\n")[0] for key in ("License-Expression", "License")]
    return "; ".join([*first, *classifiers])


def test_every_dependency_is_listed_once():
    assert set(listed()) == named()


@pytest.mark.parametrize("name", sorted(listed()))
def test_the_licence_is_what_the_package_says(name):
    try:
        words = words_of(name)
    except PackageNotFoundError:
        if sys.platform == "linux":  # where all of them are installed
            raise
        pytest.skip("for another system")
    if name in SAYS_NOTHING:
        assert words.strip("; ") == ""
        files = distribution(name).files
        path = next(file for file in files if re.search(r"(^|/)LICENSE(\.\w+)?$", str(file)))
        words = path.locate().read_text(encoding="utf-8")
    assert re.search(WORDS[listed()[name]], words), words


def test_nothing_that_runs_is_under_the_gpl():
    todo = list(named(to_run=True))
    seen = set()
    while todo:
        name = canonical(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            words = words_of(name)
        except PackageNotFoundError:  # for another system
            continue
        assert not COPYLEFT.search(words), f"{name}: {words}"
        todo += [line for line in requires(name) or [] if "extra ==" not in line]
    assert len(seen) > 30  # 43 when this was written


def test_copyleft_is_seen():
    affero = "License :: OSI Approved :: GNU Affero General Public License v3"
    for words in ("AGPL-3.0-only", affero, "GPLv3", "LGPL-2.1-or-later"):
        assert COPYLEFT.search(words)
    assert not COPYLEFT.search("BSD-3-Clause AND MIT; Apache Software License; MPL-2.0")
