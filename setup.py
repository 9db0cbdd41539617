"""The package's page on PyPI: README.md, with links that lead somewhere from there as well.

All else of the package is in pyproject.toml, whose ``readme`` only takes files as they are. Other
backends have plugins for this (hatchling has hatch-fancy-pypi-readme), which would be six packages
to build with instead of one, and an address to enter for links and pictures each.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
# Code, which stays as it is, or a link or picture whose target is a file of the repository.
RELATIVE = re.compile(
    r"(?P<quotes>`+).*?(?P=quotes)"
    r"|(?P<picture>!?)\[(?P<text>[^]]*)\]\((?!https?:|#)(?P<path>[^)\s]+)\)",
    re.DOTALL,
)
NOTE = """\
Files that this page names, such as README.ko.md, are in the source repository, and `.` after
`pip install` is a checkout of it: of a wheel alone, `'FILE.whl[detect]'` is what `'.[detect]'` is
there."""


def page_of(readme: str, repository: str | None) -> str:
    """README.md as PyPI's page.

    Links to files of the repository and pictures from it become absolute, to GitHub's pages and
    contents of its default branch; without its address, they become their texts and paths.

    Args:
        readme: The whole README.md.
        repository: The address of the repository at GitHub, or None if it has none.
    """

    def replace(match: re.Match[str]) -> str:
        picture, text, path = match["picture"], match["text"], match["path"]
        if path is None:
            return match[0]
        if repository:
            kind = "raw" if picture else "blob"
            return f"{picture}[{text}]({repository.rstrip('/')}/{kind}/HEAD/{path})"
        if picture:
            return f"(Picture: {text}; {path})"
        return text if text == path else f"{text} ({path})"

    page = RELATIVE.sub(replace, readme)
    if repository:
        return page
    title, _, rest = page.partition("\n")
    return f"{title}\n\n{NOTE}\n{rest}"


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    setup(
        long_description=page_of(
            (ROOT / "README.md").read_text(encoding="utf-8"), project["urls"].get("Source")
        ),
        long_description_content_type="text/markdown",
    )
