"""The cfgs of the engines' repositories: where each is, and how many floats its .weights has.

Only numbers and hashes stand here, in ``official.tsv`` beside this file; the texts stay where they
are. ``scripts/official_cfgs.py`` makes the table from checkouts of the commits below, whose bytes
are those that GitHub serves. Of cfgs with the same bytes the first is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from converter.errors import UsageError, did_you_mean
from converter.records import dataclass

_RAW = "https://raw.githubusercontent.com"  # files as they are in git, byte by byte
COMMITS = {
    "pjreddie/darknet": "f6afaabcdf85f77e7aff2ec55c020c0e297c77f9",
    "AlexeyAB/darknet": "59596d7880f6504768df41d6daa586f5cb2b932f",
}
# More classes than any published detector has (YOLO9000: 9,418). The bound keeps one network's
# counts from reaching into the next one's.
MAX_CLASSES = 10_000


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that everybody can download.

    Attributes:
        file: its file name.
        size: in bytes.
        hashes: "sha256:..." and the like -> number of sources; any one of them is the file's. Empty
            if nobody states one.
        urls: where it is served, best first.
    """

    file: str
    size: int
    hashes: Mapping[str, int]
    urls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TextFile(RemoteFile):
    """A cfg, or a file of class names."""


@dataclass(frozen=True, kw_only=True)
class OfficialCfg:
    """One line of the table.

    Attributes:
        repository: "owner/name" on GitHub.
        path: in the repository.
        size, sha256: of the file.
        classes: those that it is written for; None for a network without any.
        floats: in its .weights file after the header, but for those of its classes.
        slope: floats that every class adds; 0 if their number cannot be changed.
    """

    repository: str
    path: str
    size: int
    sha256: str
    classes: int | None
    floats: int
    slope: int

    @property
    def file(self) -> str:
        """Its file name."""
        return self.path.rpartition("/")[2]

    @property
    def name(self) -> str:
        """Its path in the repository's cfg folder, without ``.cfg``."""
        return self.path.removeprefix("cfg/").removesuffix(".cfg")

    @property
    def key(self) -> str:
        """What ``find_cfg`` finds it by: its name, with the owner if another one has that."""
        first = next(cfg for cfg in official_cfgs() if cfg.name == self.name)
        return self.name if first is self else f"{self.owner}/{self.name}"

    @property
    def owner(self) -> str:
        """Whose repository it is in."""
        return self.repository.partition("/")[0]

    @property
    def total(self) -> int:
        """Floats in its .weights file, as it is written."""
        return self.floats + self.slope * (self.classes or 0)

    def classes_in(self, floats: int) -> int | None:
        """The classes with which its .weights file has ``floats``.

        None if there are none; 0 if their number is no matter, and it has as many.
        """
        if not self.slope:
            return 0 if floats == self.floats else None
        classes, rest = divmod(floats - self.floats, self.slope)
        most = max(MAX_CLASSES, self.classes or 0)
        return None if rest or not 1 <= classes <= most else classes

    def as_file(self, file: str | None = None) -> TextFile:
        """It, to download under the name ``file`` (default: its own)."""
        return _raw(self.repository, self.path, self.size, self.sha256, file or self.file)


@cache
def official_cfgs() -> tuple[OfficialCfg, ...]:
    """The table."""
    from importlib.resources import files  # late: it takes longer than all of this

    text = files("converter").joinpath("official.tsv").read_text(encoding="ascii")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        OfficialCfg(
            repository=repository,
            path=path,
            size=int(size),
            sha256=sha256,
            classes=int(classes) if classes else None,
            floats=int(floats),
            slope=int(slope),
        )
        for repository, path, size, sha256, classes, floats, slope in rows
    )


def find_cfg(name: str) -> OfficialCfg:
    """The official cfg called ``name``, with or without ``.cfg``.

    ``OWNER/NAME`` is that of OWNER's repository, where several have one of that name.

    Raises:
        UsageError: there is none.
    """
    wanted = name.removesuffix(".cfg")
    for cfg in official_cfgs():
        if wanted in (cfg.name, f"{cfg.owner}/{cfg.name}"):
            return cfg
    names = [cfg.name for cfg in official_cfgs()]
    raise UsageError(
        f"{name!r} is no cfg of {' or '.join(COMMITS)}",
        remedy=did_you_mean(wanted.partition("/")[2] or wanted, names, "--list shows them"),
    )


# Of data/NAME.names in pjreddie's repository: bytes and SHA-256.
_NAMES = {
    "coco": (625, "634a1132eb33f8091d60f2c346ababe8b905ae08387037aed883953b7329af84"),
    "openimages": (5476, "44cdd34ebe5b46440b6ec5d0978f292def7b57c7cea049f3d4fe79ed88d40664"),
    "voc": (135, "f14861775969fd006b382e005f96dc811ef062ea4a37356efb70d7775e90f743"),
}


def names_file(name: str, file: str) -> TextFile:
    """The class names of ``name``, to download under the name ``file``."""
    return _raw("pjreddie/darknet", f"data/{name}.names", *_NAMES[name], file)


def _raw(repository: str, path: str, size: int, sha256: str, file: str) -> TextFile:
    url = f"{_RAW}/{repository}/{COMMITS[repository]}/{path}"
    return TextFile(file=file, size=size, hashes={f"sha256:{sha256}": 1}, urls=(url,))
