"""The table of what a checkpoint says of itself, as strings and back."""

from dataclasses import fields, replace

import pytest

from converter import CheckpointError, convert
from converter.checkpoint.metadata import Metadata
from converter.darknet.header import Header

WHOLE = Metadata(
    tool="darknet-safetensors 1",
    source_sha256="0123456789abcdef" * 4,
    header=Header(major=0, minor=2, revision=5, seen=2**40, size=20),
    cfg="[net]\n# Größe\n",
    family="generic",
    dialect="alexeyab",
    classes=2,
    names=["Käse", "\u732b"],
    assumed={"architecture": "yolov3_5l", "width": 608, "height": 320, "anchors": [1, 2.5]},
    complete=False,
    cutoff=74,
    dtype="bfloat16",
    lossless=False,
)


def test_it_is_written_out():
    assert WHOLE.encode() == {
        "format": "pt",
        "schema": "2",
        "tool": "darknet-safetensors 1",
        "source_sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "header": '{"major": 0, "minor": 2, "revision": 5, "seen": 1099511627776, "size": 20}',
        "cfg": "[net]\n# Größe\n",
        "family": "generic",
        "dialect": "alexeyab",
        "classes": "2",
        "names": '["Käse", "\u732b"]',
        "assumed": '{"architecture": "yolov3_5l", "width": 608, "height": 320, "anchors":'
        " [1, 2.5]}",
        "complete": "false",
        "cutoff": "74",
        "dtype": "bfloat16",
        "lossless": "false",
    }


def test_and_read_again():
    assert Metadata.decode(WHOLE.encode()) == WHOLE
    for field in fields(Metadata):
        if field.name in ("classes", "names", "cutoff", "assumed"):
            part = replace(WHOLE, **{field.name: {} if field.name == "assumed" else None})
            assert field.name not in part.encode()
            assert Metadata.decode(part.encode()) == part


def test_names_are_as_many_as_classes(sample):
    plan = convert(sample.weights, dry_run=True).plan
    options = {"tool": "x", "sha256": "0" * 64}
    assert Metadata.of(plan, **options, names=["a", "b", "c"]).classes == 3
    with pytest.raises(CheckpointError, match="has 2 class names, the network has 3 classes"):
        Metadata.of(plan, **options, names=["a", "b"])
