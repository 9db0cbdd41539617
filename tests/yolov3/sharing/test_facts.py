"""What a published model says of itself to programs."""

import json
from types import SimpleNamespace

from converter import convert
from converter.darknet.network import parse_network
from yolov3 import DarknetModel, load
from yolov3.sharing.facts import facts, facts_of

HEAD = "[convolutional]\nfilters=14\nsize=1\n[yolo]\nclasses=2\nnum=4\nanchors=1,2,3,4,5,6,7,8\n"
TEXT = (
    "[net]\nwidth=32\nheight=16\nchannels=3\n[maxpool]\nsize=4\nstride=4\n"
    + HEAD + "mask=2,3\n[route]\nlayers=-3\n[upsample]\nstride=2\n" + HEAD + "mask=0,1\n"
)  # fmt: skip


def test_a_detector():
    meta = SimpleNamespace(family="generic", dialect="pjreddie")
    said = facts(parse_network(TEXT), "Net", meta, ["a", "b"])
    assert said == {
        "library_name": "darknet-safetensors",
        "architectures": ["Net"],
        "family": "generic",
        "dialect": "pjreddie",
        "classes": 2,
        "names": ["a", "b"],
        "input_size": [16, 32],  # rows, columns
        "strides": [2, 4],  # fine to coarse, though the coarse head is the first in the cfg
        "anchors": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
    }
    assert json.loads(json.dumps(said)) == said


def test_what_is_no_detector():
    text = "[net]\nwidth=32\nheight=16\nchannels=3\n[maxpool]\nsize=4\nstride=4\n"
    said = facts(parse_network(text), "Net", None, None)
    assert [said[key] for key in ("family", "dialect", "classes", "names")] == [None] * 4
    assert (said["strides"], said["anchors"]) == ([], [])


def test_a_model_in_memory_says_what_its_checkpoint_does(sample):
    model = load(convert(sample.weights).output)
    said = facts_of(model)
    names = sample.weights.with_suffix(".names").read_text().split()
    assert (said["architectures"], said["family"], said["dialect"]) == (
        ["YOLOv3"], "yolov3", "pjreddie",
    )  # fmt: skip
    assert (said["names"], said["classes"]) == (names, len(names))


def test_a_fresh_model_comes_from_nowhere():
    said = facts_of(DarknetModel(parse_network(TEXT)))
    assert (said["family"], said["dialect"], said["names"]) == (None, None, None)
    assert (said["architectures"], said["classes"]) == (["DarknetModel"], 2)
