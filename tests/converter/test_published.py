"""The table of published files."""

import re
import shlex

import pytest

from converter.diagnosis.architectures import ARCHITECTURES
from converter.errors import DownloadError, UsageError
from converter.published import CFG_ONLY, PUBLISHED, find_published, suggest_download

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


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_an_entry_is_complete_and_consistent(file):
    assert file.size == 20 + 4 * FLOATS[file.name]
    assert file.file in (file.name, f"{file.name}.weights")
    assert re.fullmatch(r"[a-z0-9.-]+", file.file), "a file name, never a path"
    assert file.urls
    for url in file.urls:
        assert re.fullmatch(rf"https://[a-z.]+/\S*/{re.escape(file.file)}", url)
    assert file.hashes
    for digest, sources in file.hashes.items():
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", digest)
        assert sources >= 1


@pytest.mark.parametrize("name", ["yolov3", "yolov3-spp", "yolov3-tiny", "darknet53.conv.74"])
def test_a_size_is_that_of_the_network(name):
    architecture = next(net for net in ARCHITECTURES if net.name == name)
    classes = 80 if architecture.classes is None else architecture.classes
    assert find_published(name).size == 20 + 4 * architecture.floats(classes)


def test_names_are_unique():
    names = [file.name for file in PUBLISHED]
    assert len(set(names)) == len(names)
    assert not set(names) & set(CFG_ONLY)


def test_yolov4_tiny_is_in_circulation_twice():
    assert len(find_published("yolov4-tiny").hashes) == 2


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
