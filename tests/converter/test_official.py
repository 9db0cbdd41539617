"""The table of the engines' cfgs, against Debian's copies of pjreddie's and arithmetic."""

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from converter.class_names import CLASS_NAMES
from converter.darknet.classes import with_class_count
from converter.darknet.network import parse_network
from converter.errors import UsageError
from converter.official import (
    COMMITS,
    MAX_CLASSES,
    find_cfg,
    names_file,
    official_cfgs,
)

DEBIAN = Path("/usr/share/darknet")
# Debian's package changes the paths of the trees that these two name.
PATCHED = {"cfg/darknet9000.cfg", "cfg/yolo9000.cfg"}
PJREDDIE = [cfg for cfg in official_cfgs() if cfg.owner == "pjreddie"]


@pytest.mark.parametrize("cfg", official_cfgs(), ids=lambda cfg: f"{cfg.owner}-{cfg.name}")
def test_a_line_is_complete_and_consistent(cfg):
    assert re.fullmatch(r"cfg/[\w./-]+\.cfg", cfg.path, re.ASCII)
    assert re.fullmatch("[0-9a-f]{64}", cfg.sha256)
    assert re.fullmatch("[0-9a-f]{40}", COMMITS[cfg.repository])
    assert cfg.floats > 0
    assert cfg.slope == 0 or cfg.classes > 0
    assert cfg.classes_in(cfg.total) == (cfg.classes if cfg.slope else 0)
    assert find_cfg(cfg.key) is cfg
    assert find_cfg(f"{cfg.key}.cfg") is cfg
    (url,) = cfg.as_file().urls
    assert url == (
        f"https://raw.githubusercontent.com/{cfg.repository}/{COMMITS[cfg.repository]}/{cfg.path}"
    )


def test_no_cfg_stands_there_twice():
    assert len({cfg.sha256 for cfg in official_cfgs()}) == len(official_cfgs())
    assert len({cfg.key for cfg in official_cfgs()}) == len(official_cfgs())


# 3 * (5 + K) * (C + 1) floats at each head that reads C channels: what a class adds.
@pytest.mark.parametrize(
    ("name", "classes", "total", "slope"),
    [
        ("yolov3", 80, 61_949_149 + 52_608, 3 * (1025 + 513 + 257)),
        ("yolov3-tiny", 80, 8_852_366 + 6_368, 3 * (513 + 257)),
        ("yolov4", 80, 64_363_101 + 66_304, 3 * (1025 + 513 + 257)),
        ("yolov4-tiny", 80, 6_056_606 + 6_208, 3 * (513 + 257)),
        # 5 * (5 + K) * (1024 + 1): 60 classes less than yolov2.weights, which is served with
        # 203,934,260 bytes, 16 of them the header of before version 0.2. Keras prints the total
        # of VGG-16.
        ("yolov2-voc", 20, (203_934_260 - 16) // 4 - 60 * 5 * 1025, 5 * 1025),
        ("vgg-16", 1000, 138_357_544, 4097),
    ],
)
def test_the_counts_are_those_that_ports_print(name, classes, total, slope):
    cfg = find_cfg(name)
    assert (cfg.classes, cfg.total, cfg.slope) == (classes, total, slope)


@pytest.mark.engine
@pytest.mark.parametrize("cfg", PJREDDIE, ids=lambda cfg: cfg.name)
def test_debians_copy_is_the_same_file_with_as_many_floats(cfg):
    data = (DEBIAN / cfg.path).read_bytes()
    if cfg.path not in PATCHED:
        assert (len(data), sha256(data).hexdigest()) == (cfg.size, cfg.sha256)
    text = data.decode()
    assert parse_network(text).floats == cfg.total
    for classes in (1, 2, 3, 11, 90, 601, 1203) if cfg.slope else ():
        changed = parse_network(with_class_count(text, classes))
        assert changed.classes == classes
        assert changed.floats == cfg.floats + cfg.slope * classes
        assert cfg.classes_in(changed.floats) == classes


@pytest.mark.engine
@pytest.mark.parametrize("name", CLASS_NAMES)
def test_debians_copy_of_class_names_is_the_same_file(name):
    data = (DEBIAN / "data" / f"{name}.names").read_bytes()
    file = names_file(name, "any.names")
    assert file.hashes == {f"sha256:{sha256(data).hexdigest()}": 1}
    assert file.size == len(data)


def test_a_count_that_does_not_fit_has_no_classes():
    cfg = find_cfg("yolov4-tiny")
    for floats in (0, cfg.floats, cfg.total + 1, cfg.floats + cfg.slope * (MAX_CLASSES + 1)):
        assert cfg.classes_in(floats) is None
    assert cfg.classes_in(cfg.floats + cfg.slope * MAX_CLASSES) == MAX_CLASSES


def test_a_count_without_classes_fits_once():
    fixed = replace(find_cfg("vgg-conv"), classes=None)
    assert fixed.classes_in(fixed.floats) == 0
    assert fixed.classes_in(fixed.floats + 1) is None


def test_the_owner_may_be_named():
    assert find_cfg("yolov3").owner == "pjreddie"
    assert find_cfg("AlexeyAB/yolov3").owner == "AlexeyAB"
    assert find_cfg("AlexeyAB/yolov3").key == "AlexeyAB/yolov3"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("yolo4-tiny", "did you mean yolov4-tiny?"),
        ("AlexeyAB/yolov4-csb", "did you mean yolov4-csp?"),
        ("../../etc/passwd", "--list shows them"),
    ],
)
def test_another_name_is_refused(name, remedy):
    with pytest.raises(UsageError, match=re.escape(remedy)) as caught:
        find_cfg(name)
    assert "is no cfg of pjreddie/darknet or AlexeyAB/darknet" in str(caught.value)
