"""The table of published files."""

import re
import shlex
from pathlib import Path

import pytest

from converter.class_names import CLASS_NAMES
from converter.diagnosis.architectures import ARCHITECTURES
from converter.errors import DownloadError, UsageError
from converter.files.source import companion as find_beside
from converter.official import find_cfg
from converter.published import (
    CFG_ONLY,
    HASHES,
    PUBLISHED,
    find_by_hash,
    find_published,
    suggest_download,
)

# Floats in the file: learned parameters and running statistics, which ports in PyTorch and Keras
# print apart. openimages is yolov3 with 601 instead of 80 classes, 3 * (5 + K) * (C + 1) floats at
# each head with C = 1024, 512 and 256. Every one follows a header of 20 bytes.
FLOATS = {
    "yolov3": 61_949_149 + 52_608,
    "yolov3-tiny": 8_852_366 + 6_368,
    "yolov3-spp": 62_998_749 + 53_632,
    "yolov3-openimages": 61_949_149 + 52_608 + 3 * (601 - 80) * (1025 + 513 + 257),
    "yolov4": 64_363_101 + 66_304,
    "yolov4-tiny": 6_056_606 + 6_208,
    "darknet53.conv.74": 40_584_928 + 35_712,
}

# What the pages that link to them say of their sizes, in MB of 2**20 bytes: pjreddie.github.io
# _darknet/imagenet and, where it is tiny, _darknet/tiny-darknet; AlexeyAB's README. pjreddie's page
# says 220 of resnext50 as well, which it repeats from the line above.
MEGABYTES = {
    "alexnet": 238, "darknet": 28, "vgg-16": 528, "extraction": 90, "darknet19": 80,
    "darknet19_448": 80, "resnet18": 44, "resnet34": 83, "resnet50": 87, "resnet101": 160,
    "resnet152": 220, "resnext101-32x4d": 159, "resnext152-32x4d": 217, "densenet201": 66,
    "darknet53": 159, "darknet53_448": 159, "tiny": 4.0,
    "yolov4-p6": 487, "yolov4-p5": 271, "yolov4-csp-x-swish": 381, "yolov4-csp-swish": 202,
    "yolov4x-mish": 381, "yolov4-csp": 202, "yolov4": 245, "yolov4-tiny": 23.1,
    "yolov4.conv.137": 162, "yolov4-tiny.conv.29": 19, "yolov2": 194, "yolov2-tiny": 43,
}  # fmt: skip


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_an_entry_is_complete_and_consistent(file):
    assert file.file in (file.name, f"{file.name}.weights")
    assert re.fullmatch(r"[a-z0-9_.-]+", file.file), "a file name, never a path"
    assert file.urls
    for url in file.urls:
        assert re.fullmatch(rf"https://[a-z.]+/\S*/{re.escape(file.file)}", url)
    for digest, sources in file.hashes.items():
        assert re.fullmatch(r"sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", digest)
        assert sources >= 1
    assert not (file.old_header and file.hashes), "whose hash is known, its size is"


@pytest.mark.parametrize("name", FLOATS)
def test_a_size_is_what_ports_count(name):
    assert find_published(name).size == 20 + 4 * FLOATS[name]


@pytest.mark.parametrize("name", MEGABYTES)
def test_a_size_is_what_its_page_says(name):
    assert find_published(name).size / 2**20 == pytest.approx(MEGABYTES[name], abs=1)


@pytest.mark.parametrize("name", ["yolov3", "yolov3-spp", "yolov3-tiny", "darknet53.conv.74"])
def test_a_size_is_that_of_the_network(name):
    architecture = next(net for net in ARCHITECTURES if net.name == name)
    classes = 80 if architecture.classes is None else architecture.classes
    assert find_published(name).size == 20 + 4 * architecture.floats(classes)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_a_size_is_that_of_its_cfg(file):
    """Of the first layers, less; yolov2.weights was written before the header had 20 bytes."""
    if file.cfg is None:
        assert file.name == "darknet53.conv.74"
        return
    whole = 4 * find_cfg(file.cfg).total
    if file.partial:
        assert 0.5 * whole < file.size < whole
    else:
        assert file.size == whole + (16 if file.name == "yolov2" else 20)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_its_classes_have_as_many_names(file):
    if file.names is not None:
        assert len(CLASS_NAMES[file.names]) == find_cfg(file.cfg).classes
    else:
        assert file.partial or file.trained_on == "ImageNet"


def test_what_belongs_beside_it_is_found_there(tmp_path):
    for file in PUBLISHED:
        for companion in file.companions:
            (tmp_path / companion.file).touch()
            found = find_beside(tmp_path / file.file, Path(companion.file).suffix)
            assert found == tmp_path / companion.file


def test_names_are_unique():
    names = [file.name for file in PUBLISHED]
    assert len(set(names)) == len(names)
    assert not set(names) & set(CFG_ONLY)


def test_every_hash_is_of_a_file():
    """A name that is none would leave its file without a check."""
    assert {file.name: file.hashes for file in PUBLISHED if file.hashes} == HASHES


def test_yolov4_tiny_is_in_circulation_twice():
    assert len(find_published("yolov4-tiny").hashes) == 2


def test_a_file_is_known_by_its_hash():
    (digest,) = find_published("yolov3").hashes
    assert find_by_hash(digest.removeprefix("sha256:")) is find_published("yolov3")
    assert find_by_hash("0" * 64) is None


def test_a_name_may_be_the_file_name():
    assert find_published("yolov3.weights") is find_published("yolov3")


@pytest.mark.parametrize(
    "name", ["../yolov3", "/etc/passwd", "a/yolov3.weights", "", ".", "YOLOV3"]
)
def test_no_other_name_is_taken(name):
    with pytest.raises(UsageError, match="is not the name of a published file"):
        find_published(name)


def test_a_typing_error_is_recognised():
    with pytest.raises(UsageError, match=re.escape("(did you mean yolov3-tiny?)")):
        find_published("yolo3-tiny")


@pytest.mark.parametrize("name", ["yolov3-voc", "yolov3_5l", "yolov3-voc.weights"])
def test_what_was_never_published_is_reported(name):
    with pytest.raises(DownloadError, match="was published as a cfg only"):
        find_published(name)


def test_what_was_published_as_a_cfg_is_one():
    assert [find_cfg(name).file for name in CFG_ONLY] == [f"{name}.cfg" for name in CFG_ONLY]


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("yolov3.weights", "python -m converter download yolov3"),
        ("darknet53.conv.74", "python -m converter download darknet53.conv.74"),
        ("nets/yolov4.weights", "python -m converter download yolov4 -o nets"),
        ("my nets/yolov4.weights", "python -m converter download yolov4 -o 'my nets'"),
        ("/yolov3.weights", "python -m converter download yolov3 -o /"),
    ],
)
def test_a_missing_file_has_its_command(missing, command):
    assert suggest_download(missing) == command
    assert find_published(shlex.split(command)[4]).file == missing.rpartition("/")[2]


@pytest.mark.parametrize(
    "missing", ["mine.weights", "yolov3-voc.weights", "yolov3", "yolov3.cfg", ""]
)
def test_any_other_missing_file_has_none(missing):
    assert suggest_download(missing) is None
