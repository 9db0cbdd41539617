"""The published weights: sizes, hashes and where they are served.

Sizes and hashes were collected from files and from projects that pin them; ``hashes`` counts how
many independent places state each. Addresses, and who gives them:

* ``data.pjreddie.com``: darknet's own page (pjreddie/pjreddie.github.io, _darknet/yolo/yolo.md).
  The older ``pjreddie.com/media/files`` is left out: it has answered with the start page and
  status 200 (github.com/pjreddie/darknet/issues/2655).
* AlexeyAB: README of AlexeyAB/darknet, section "Pre-trained models".
* hank-ai: github.com/hank-ai/darknet/issues/21, with MD5 sums, as "the same weights".
* Ultralytics: release v8 of ultralytics/yolov3, from its first years as a port of darknet; the
  SourceForge mirror of that release (projects/yolov3.mirror/files/v8) lists its files.

The SHA-512 sums are those of vcpkg's port (microsoft/vcpkg, ports/darknet/portfile.cmake). Its sum
of yolov3-tiny.weights, and hank-ai's, were compared with the file of the SHA-256 below: both hold.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from converter.errors import DownloadError, UsageError
from converter.options import PathLike

_PJREDDIE = "https://data.pjreddie.com/files/"
_ALEXEYAB = "https://github.com/AlexeyAB/darknet/releases/download/"
_HANK_AI = "https://github.com/hank-ai/darknet/releases/download/v2.0/"
_ULTRALYTICS = "https://github.com/ultralytics/yolov3/releases/download/v8/"


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """A file that everybody can download.

    Attributes:
        name: what it is asked for as.
        file: its file name.
        size: in bytes.
        hashes: "sha256:..." or "sha512:..." -> number of sources; any one of them is the file's.
        urls: where it is served, best first.
        trained_on: the data set.
    """

    name: str
    file: str
    size: int
    hashes: Mapping[str, int]
    urls: tuple[str, ...]
    trained_on: Literal["COCO", "ImageNet", "Open Images"]

    @property
    def licence(self) -> str:
        """What is known about the terms of use."""
        return (
            "no licence is stated for the weights; the darknet repository that links to them is"
            f" public domain; {self.trained_on}, which they were trained on, has terms of its own"
        )

    def as_dict(self) -> dict[str, Any]:
        """One entry of ``download --list --json``."""
        return {
            "name": self.name,
            "file": self.file,
            "size": self.size,
            "hashes": dict(self.hashes),
            "urls": list(self.urls),
            "licence": self.licence,
        }


def _weights(
    name: str,
    size: int,
    hashes: Mapping[str, int],
    *hosts: str,
    trained_on: Literal["COCO", "Open Images"] = "COCO",
) -> PublicFile:
    file = f"{name}.weights"
    urls = tuple(host + file for host in hosts)
    return PublicFile(
        name=name, file=file, size=size, hashes=hashes, urls=urls, trained_on=trained_on
    )


PUBLISHED = (
    _weights(
        "yolov3",
        248_007_048,
        {"sha256:523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297": 10},
        _PJREDDIE,
        _HANK_AI,
        _ULTRALYTICS,
    ),
    _weights(
        "yolov3-tiny",
        35_434_956,
        {"sha256:dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c": 2},
        _PJREDDIE,
        _HANK_AI,
        _ULTRALYTICS,
    ),
    _weights(
        "yolov3-spp",
        252_209_544,
        {"sha256:87a1e8c85c763316f34e428f2295e1db9ed4abcec59dd9544f8052f50de327b4": 6},
        _PJREDDIE,
        _ULTRALYTICS,
    ),
    _weights(
        "yolov3-openimages",
        259_229_388,
        {
            "sha256:be129d792d8c7cc19b17bcb9d40ced71cdf079bfd246cbd1cfca40568ac74ee1": 1,
            "sha512:616e90057946c9588d045cff6ec36b63254660af4377201dc02642e798d62f39"
            "2e8f3cdb5b10a1c4bcbe5c056e690275dca35b68db7fd802783a0c6bbd959ba8": 1,
        },
        _PJREDDIE,
        trained_on="Open Images",
    ),
    _weights(
        "yolov4",
        257_717_640,
        {"sha256:e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562": 2},
        _ALEXEYAB + "darknet_yolo_v3_optimal/",
        _HANK_AI,
    ),
    _weights(
        "yolov4-tiny",
        24_251_276,
        # Both were served from the same address, as the projects that pin them say.
        {
            "sha256:cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87": 5,
            "sha256:037676f0d929c24e1bd9a0037fe30dc416fc26e0ca2a4491a44d024873316061": 1,
        },
        _ALEXEYAB + "darknet_yolo_v4_pre/",
        _HANK_AI,
    ),
    PublicFile(
        name="darknet53.conv.74",
        file="darknet53.conv.74",
        size=162_482_580,
        hashes={
            "sha512:8983e1c129e2d6e8e3da0cc0781ecb7a07813830ef5a87c24b53100df6a5f23d"
            "b6c6e6a402aec78025a93fe060b75d1958f1b8f7439a04b54a3f19c81e2ae99b": 1
        },
        urls=(_PJREDDIE + "darknet53.conv.74", _ULTRALYTICS + "darknet53.conv.74"),
        trained_on="ImageNet",
    ),
)

# Nets that darknet has a cfg for and that no weights are known to have been published of.
CFG_ONLY = ("yolov3-voc", "yolov3_5l")


def find_published(name: str) -> PublicFile:
    """The file called ``name``, with or without ``.weights``.

    Raises:
        DownloadError: only its cfg was published.
        UsageError: there is none of that name.
    """
    stem = name.removesuffix(".weights")
    if stem in CFG_ONLY:
        raise DownloadError(
            f"{stem} was published as a cfg only, its weights never were",
            remedy="train it, or take yolov3",
        )
    found = next((file for file in PUBLISHED if file.name == stem), None)
    if found is None:
        names = [file.name for file in PUBLISHED]
        near = difflib.get_close_matches(stem, names, n=1)
        raise UsageError(
            f"{name!r} is not the name of a published file",
            remedy=f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}",
        )
    return found


def suggest_download(path: PathLike) -> str | None:
    """The command that brings the missing file ``path``, if it is a published one."""
    wanted = Path(path)
    found = next((file for file in PUBLISHED if file.file == wanted.name), None)
    if found is None:
        return None
    command = ["python", "-m", "converter", "download", found.name]
    if wanted.parent != Path():
        command += ["-o", str(wanted.parent)]
    return shlex.join(command)
