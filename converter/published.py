"""The published weights: sizes, hashes and where they are served.

Sizes and hashes were collected from files and from projects that pin them; ``hashes`` counts how
many independent places state each. Addresses, and who gives them:

* ``data.pjreddie.com``: darknet's own pages (pjreddie/pjreddie.github.io@2b9913a, _darknet/yolo,
  imagenet, tiny-darknet and nightmare). The older ``pjreddie.com/media/files`` is left out: it has
  answered with the start page and status 200 (github.com/pjreddie/darknet/issues/2655). So are
  files that no current page offers, or that play go and write texts.
* AlexeyAB: README of AlexeyAB/darknet@59596d7, "Pre-trained models"; YOLOv7 in
  github.com/AlexeyAB/darknet/issues/8595. What it has at Google Drive is left out: that answers
  with a page first.
* hank-ai: README of hank-ai/darknet@f684e1d and its github.com/hank-ai/darknet/issues/21, with MD5
  sums, as "the same weights".
* Ultralytics: release v8 of ultralytics/yolov3, from its first years as a port of darknet; the
  SourceForge mirror of that release (projects/yolov3.mirror/files/v8) lists its files.

The SHA-512 sums are those of vcpkg's port (microsoft/vcpkg, ports/darknet/portfile.cmake). Its sum
of yolov3-tiny.weights, and hank-ai's, were compared with the file of the SHA-256 below: both hold.
The SHA-1 is OpenCV's (opencv/opencv_extra, testdata/dnn/download_models.py).

Where nobody states a hash, the size is that of the plan of the cfg, which is all that a download is
checked for then. Darknet's header had 16 bytes before version 0.2.0; files that may be as old can
have either size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from converter.errors import DownloadError, UsageError, command, did_you_mean
from converter.official import RemoteFile, TextFile, find_cfg, names_file
from converter.options import PathLike
from converter.records import dataclass

_PJREDDIE = "https://data.pjreddie.com/files/"
_ALEXEYAB = "https://github.com/AlexeyAB/darknet/releases/download/"
_OPTIMAL = _ALEXEYAB + "darknet_yolo_v3_optimal/"
_PRE = _ALEXEYAB + "darknet_yolo_v4_pre/"
_V7 = _ALEXEYAB + "yolov4/"
_HANK_AI = "https://github.com/hank-ai/darknet/releases/download/v2.0/"
_ULTRALYTICS = "https://github.com/ultralytics/yolov3/releases/download/v8/"


DataSet = Literal["COCO", "ImageNet", "Open Images"]
_NAMES: Mapping[DataSet, str] = {"COCO": "coco", "Open Images": "openimages"}


@dataclass(frozen=True, kw_only=True)
class PublicFile(RemoteFile):
    """Weights that everybody can download.

    Attributes:
        name: what it is asked for as.
        trained_on: the data set.
        cfg: the official cfg that it is of; None if it is recognised without one.
        names: the built-in list of its class names; None if it has none.
        old_header: whether its header may as well have 16 bytes instead of 20.
    """

    name: str
    trained_on: DataSet
    cfg: str | None = None
    names: str | None = None
    old_header: bool = False

    @property
    def companions(self) -> Iterator[TextFile]:
        """The files that belong beside it, under the names by which they are found there."""
        stem = self.file.removesuffix(".weights")
        if self.cfg is not None:
            yield find_cfg(self.cfg).as_file(f"{stem}.cfg")
        if self.names is not None:
            yield names_file(self.names, f"{stem}.names")

    @property
    def has_sha256(self) -> bool:
        """Whether a SHA-256 of it is known."""
        return any(known.startswith("sha256:") for known in self.hashes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All that it may have, in bytes."""
        return (self.size, self.size - 4) if self.old_header else (self.size,)

    @property
    def partial(self) -> bool:
        """Whether it ends before its network: the first layers, to begin a training with."""
        return not self.file.endswith(".weights")

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
            "checked": "hash" if self.hashes else "size",
            "urls": list(self.urls),
            "cfg": self.cfg,
            "names": self.names,
            "licence": self.licence,
        }


# Name -> hash -> how many places state it.
HASHES: Mapping[str, Mapping[str, int]] = {
    "yolov3": {"sha256:523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297": 10},
    "yolov3-tiny": {"sha256:dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c": 2},
    "yolov3-spp": {"sha256:87a1e8c85c763316f34e428f2295e1db9ed4abcec59dd9544f8052f50de327b4": 6},
    "yolov3-openimages": {
        "sha256:be129d792d8c7cc19b17bcb9d40ced71cdf079bfd246cbd1cfca40568ac74ee1": 1,
        "sha512:616e90057946c9588d045cff6ec36b63254660af4377201dc02642e798d62f39"
        "2e8f3cdb5b10a1c4bcbe5c056e690275dca35b68db7fd802783a0c6bbd959ba8": 1,
    },
    "yolov4": {"sha256:e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562": 2},
    # Both were served from the same address, as the projects that pin them say.
    "yolov4-tiny": {
        "sha256:cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87": 5,
        "sha256:037676f0d929c24e1bd9a0037fe30dc416fc26e0ca2a4491a44d024873316061": 1,
    },
    "yolov4x-mish": {"sha1:a6f2879af2241de2e9730d317a55db6afd0af00b": 1},
    "yolov2": {
        "sha512:5271da2dd2da915172ddd034c8e894877e7066051f105ae82e25e185a2b4e415"
        "7d2b9514653c23780e87346f2b20df6363018b7e688aba422e2dacf1d2fbf6ab": 1
    },
    "yolov2-tiny": {
        "sha512:f0857a7a02cf4322354d288c9afa0b87321b23082b719bc84ea64e2f3556cc1f"
        "afeb836ee5bf9fb6dcf448839061b93623a067dfde7afa1338636865ea88989a": 1
    },
    "darknet53.conv.74": {
        "sha512:8983e1c129e2d6e8e3da0cc0781ecb7a07813830ef5a87c24b53100df6a5f23d"
        "b6c6e6a402aec78025a93fe060b75d1958f1b8f7439a04b54a3f19c81e2ae99b": 1
    },
    "yolov4.conv.137": {
        "sha512:d146a61762bf6ef91deb6c627ede475f63b3975fbeeb1ff5e0949470b29be8fc"
        "28ee81280041937e7ded49679276fbabacdb92d02fa246cc622853633fd3d992": 1
    },
    "yolov4-tiny.conv.29": {
        "sha512:318e47f4bdf43b7f4eff8f3669bc9ba66cd7bd8ffb31df5bc1978682c85fec8e"
        "63a8349958022fd933cc676cbf5241953f2181bf4d1789f7cf9d371e012e3e49": 1
    },
}


def _public(
    file: str,
    size: int,
    *hosts: str,
    trained_on: DataSet,
    cfg: str | None = None,
    names: str | None = None,
    old_header: bool = False,
) -> PublicFile:
    name = file.removesuffix(".weights")
    return PublicFile(
        name=name,
        file=file,
        size=size,
        hashes=HASHES.get(name, {}),
        urls=tuple(host + file for host in hosts),
        trained_on=trained_on,
        cfg=cfg,
        names=names,
        old_header=old_header,
    )


def _detector(name: str, size: int, *hosts: str, trained_on: DataSet = "COCO") -> PublicFile:
    file, names = f"{name}.weights", _NAMES[trained_on]
    return _public(file, size, *hosts, trained_on=trained_on, cfg=name, names=names)


def _classifier(name: str, floats: int) -> PublicFile:
    """One of pjreddie's, of which nobody states a hash."""
    file, size = f"{name}.weights", 20 + 4 * floats
    return _public(file, size, _PJREDDIE, trained_on="ImageNet", cfg=name, old_header=True)


def _first_layers(cfg: str, count: int, size: int, host: str) -> PublicFile:
    """The first ``count`` layers of the weights of ``cfg``, which AlexeyAB trained on COCO."""
    return _public(f"{cfg}.conv.{count}", size, host, trained_on="COCO", cfg=cfg)


PUBLISHED = (
    _detector("yolov3", 248_007_048, _PJREDDIE, _HANK_AI, _ULTRALYTICS),
    _detector("yolov3-tiny", 35_434_956, _PJREDDIE, _HANK_AI, _ULTRALYTICS),
    _detector("yolov3-spp", 252_209_544, _PJREDDIE, _ULTRALYTICS),
    _detector("yolov3-openimages", 259_229_388, _PJREDDIE, trained_on="Open Images"),
    _detector("yolov4", 257_717_640, _OPTIMAL, _HANK_AI),
    _detector("yolov4-tiny", 24_251_276, _PRE, _HANK_AI),
    _detector("yolov4-p6", 510_868_180, _PRE),
    _detector("yolov4-p5", 283_669_892, _PRE),
    _detector("yolov4-csp-x-swish", 399_388_168, _PRE),
    _detector("yolov4-csp-swish", 211_944_840, _PRE),
    _detector("yolov4x-mish", 399_388_168, _PRE),
    _detector("yolov4-csp", 211_944_840, _PRE),
    _detector("yolov7", 147_898_248, _V7, _HANK_AI),
    _detector("yolov7-tiny", 24_967_560, _V7, _HANK_AI),
    _detector("yolov7x", 285_638_760, _V7),
    _detector("yolov2", 203_934_260, _PJREDDIE, _HANK_AI),
    _detector("yolov2-tiny", 44_948_600, _PJREDDIE, _HANK_AI),
    _public("darknet53.conv.74", 162_482_580, _PJREDDIE, _ULTRALYTICS, trained_on="ImageNet"),
    _first_layers("yolov4", 137, 170_038_676, _OPTIMAL),
    _first_layers("yolov4-tiny", 29, 19_789_716, _PRE),
    _first_layers("yolov4-p6", 289, 463_340_948, _PRE),
    _first_layers("yolov4-p5", 232, 256_427_412, _PRE),
    _first_layers("yolov4-csp-x-swish", 192, 358_357_268, _PRE),
    _first_layers("yolov4-csp-swish", 164, 185_312_660, _PRE),
    _first_layers("yolov4x-mish", 166, 277_307_668, _PRE),
    _first_layers("yolov4-csp", 142, 146_548_116, _PRE),
    _first_layers("yolov7", 132, 121_266_068, _V7),
    _classifier("alexnet", 62_378_344),
    _classifier("darknet", 7_323_480),
    _classifier("vgg-16", 138_357_544),
    _classifier("extraction", 23_455_400),
    _classifier("darknet19", 20_856_776),
    _classifier("darknet19_448", 20_856_776),
    _classifier("resnet18", 11_523_496),
    _classifier("resnet34", 21_639_080),
    _classifier("resnet50", 22_825_896),
    _classifier("resnet101", 41_870_248),
    _classifier("resnet152", 57_559_976),
    _classifier("resnext50", 22_312_872),
    _classifier("resnext101-32x4d", 41_639_208),
    _classifier("resnext152-32x4d", 56_730_920),
    _classifier("densenet201", 17_206_440),
    _classifier("darknet53", 41_645_640),
    _classifier("darknet53_448", 41_645_640),
    _classifier("tiny", 1_046_488),
    _classifier("vgg-conv", 14_714_688),
    _classifier("jnet-conv", 18_870_048),
)

# Nets that darknet has a cfg for and that no weights are known to have been published of.
CFG_ONLY = ("yolov3-voc", "yolov3_5l", "yolov4-tiny-3l")


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
            remedy=f"train it; its cfg: {command('download', '--cfg', stem)}",
        )
    found = next((file for file in PUBLISHED if file.name == stem), None)
    if found is None:
        names = [file.name for file in PUBLISHED]
        raise UsageError(
            f"{name!r} is not the name of a published file",
            remedy=did_you_mean(stem, names, f"there are {', '.join(names)}"),
        )
    return found


def find_by_hash(sha256: str) -> PublicFile | None:
    """The published file that has the hash ``sha256``, in hexadecimal."""
    return next((file for file in PUBLISHED if f"sha256:{sha256}" in file.hashes), None)


def find_by_size(size: int) -> list[PublicFile]:
    """The published files of ``size`` bytes that ``find_by_hash`` knows."""
    return [file for file in PUBLISHED if file.size == size and file.has_sha256]


def suggest_download(path: PathLike) -> str | None:
    """The command that brings the missing file ``path``, if it is a published one."""
    wanted = Path(path)
    found = next((file for file in PUBLISHED if file.file == wanted.name), None)
    if found is None:
        return None
    folder = () if wanted.parent == Path() else ("-o", str(wanted.parent))
    return command("download", found.name, *folder)
