"""What is fuzzed: readers of untrusted files, each as a function of bytes.

A target may refuse its input with a ``DarknetError`` and do nothing else: any other exception is a
bug, and so is an acceptance that breaks one of the promises asserted here.
"""

import os
import tempfile
from contextlib import chdir, suppress
from math import isfinite
from pathlib import Path

import torch_files

from converter import convert, revert
from converter.checkpoint.checkpoint import Checkpoint
from converter.checkpoint.state_dict import find_state_dict
from converter.darknet.cfg import decode_cfg
from converter.darknet.network import parse_network, render_cfg
from converter.errors import CheckpointError, DarknetError
from converter.files.torch_file import opened
from converter.files.torch_objects import MOST_TIMES
from converter.operations.info import describe
from yolov3.detection.datasets import read_dataset

# Which network a fuzzed .weights file is read with: its first byte chooses.
NETWORKS = (
    # batch norm, groups, a head: 4 * 4 + 108, 8 * 3 + 8
    "[net]\nwidth=8\nheight=8\nchannels=3\n"
    "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
    "[convolutional]\nfilters=8\nsize=1\nactivation=linear\n[yolo]\nclasses=3\nnum=1\n",
    # matrices, which a version above 1000 transposes
    "[net]\ninputs=6\n[connected]\noutput=4\nbatch_normalize=1\n[connected]\noutput=3\n[softmax]\n",
    # what the two engines order differently, or count differently
    "[net]\ninputs=3\n[gru]\noutput=2\n[lstm]\noutput=2\n",
    "[net]\nwidth=4\nheight=4\nchannels=2\n[batchnorm]\n[convolutional]\nfilters=2\nflipped=1\n",
    "",  # none: known architectures only
)


def fuzz_cfg(data: bytes) -> None:
    """Reading a cfg; a network in our own words is the same network again."""
    with suppress(DarknetError):
        read = parse_network(decode_cfg(data))
        text = render_cfg(read.net, [node.layer for node in read.nodes])
        again = parse_network(text)
        assert again.floats == read.floats
        # Not the layers themselves: Darknet's numbers have nine digits, Python's seventeen.
        assert render_cfg(again.net, [node.layer for node in again.nodes]) == text


def fuzz_weights(data: bytes) -> None:
    """Planning for a .weights file; what is accepted is accounted for to its last byte."""
    choice, data = data[:1], data[1:]
    text = NETWORKS[choice[0] % len(NETWORKS)] if choice else ""
    with _folder() as folder:
        path = Path(folder, "net.weights")
        path.write_bytes(data)
        if text:
            Path(folder, "net.cfg").write_text(text)
        with suppress(DarknetError):
            plan = convert(path, dry_run=True).plan
            assert plan.size == len(data)
        with suppress(DarknetError):
            describe(path)


def fuzz_checkpoint(data: bytes) -> None:
    """Reading a .safetensors file; what is accepted goes back to a whole .weights file.

    What is opened says nothing of itself that is not true.

    The input is the JSON header, a zero byte, and the values, so that a longer or shorter header
    stays one; with a zero byte in front it is the file itself.
    """
    if data[:1] == b"\0":
        data = data[1:]
    else:
        header, _, values = data.partition(b"\0")
        data = len(header).to_bytes(8, "little") + header + values
    with _folder() as folder:
        path = Path(folder, "net.safetensors")
        path.write_bytes(data)
        with suppress(DarknetError):
            plan = revert(path).plan
            assert os.path.getsize(path.with_suffix(".weights")) == plan.size
        with suppress(DarknetError):
            describe(path)
        with suppress(DarknetError):
            stored = Checkpoint.open(path)
            claims, classes = stored.metadata, stored.network.classes
            assert claims.classes == classes
            assert claims.names is None or classes in (None, len(claims.names))
            assert claims.header == stored.plan.header
            assert claims.complete == stored.plan.complete


def fuzz_torch(data: bytes) -> None:
    """Reading a .pt file; its tensors have the shapes that it says, and are not larger than it.

    The input is the operations of the pickle, in a file that is right otherwise, of before (1) or
    since (2) PyTorch 1.6, as the first byte says; or it is the file itself (0).
    """
    choice, data = data[:1], data[1:]
    if choice != b"\0":
        wrap = torch_files.legacy if choice == b"\1" else torch_files.archive
        data = wrap(data)
    with _folder() as folder:
        path = Path(folder, "net.pt")
        path.write_bytes(data)
        with suppress(CheckpointError), opened(path) as file:
            found = find_state_dict(file)
            total = 0
            for stored in found.tensors.values():
                values = file.values(stored)
                assert values.shape == stored.shape
                total += values.nbytes
            assert total <= MOST_TIMES * len(data)


# A labelled data set in all formats at once, of two pictures and three classes.
DATA_SET = {
    "a.png": "",
    "a.txt": "0 0.5 0.5 0.25 0.25\n",
    "b.png": "",
    "list.txt": "a.png\nb.png\n",
    "set.names": "x\ny\nz\n",
    "set.data": "valid = list.txt\nnames = set.names\ndifficult = hard.txt\n",
    "hard.txt": "a.png\nb.png\n",
    "voc/JPEGImages/a.png": "",
    "voc/Annotations/a.xml": "<annotation></annotation>",
    "voc/ImageSets/Main/test.txt": "a\n",
}
# The file that is fuzzed, and what is then read; the first byte of the input chooses.
DATA_FILES = (
    ("a.txt", "."),
    ("list.txt", "list.txt"),
    ("list.txt", "set.data"),
    ("hard.txt", "set.data"),
    ("set.names", "set.data"),
    ("set.data", "set.data"),
    ("set.yaml", "set.yaml"),
    ("set.json", "set.json"),
    ("voc/Annotations/a.xml", "voc"),
    ("voc/ImageSets/Main/test.txt", "voc/ImageSets/Main/test.txt"),
)


def fuzz_dataset(data: bytes) -> None:
    """Reading labelled pictures: they are there, their boxes finite, their labels classes."""
    choice, data = data[0] if data else 0, data[1:]
    name, path = DATA_FILES[choice % len(DATA_FILES)]
    with _folder() as folder, chdir(folder):
        for place in ("voc/JPEGImages", "voc/Annotations", "voc/ImageSets/Main"):
            os.makedirs(place)
        for file, text in DATA_SET.items():
            Path(file).write_text(text)
        Path(name).write_bytes(data)
        with suppress(DarknetError):
            found = read_dataset(Path(path), 3, ("x", "y", "z"), by_order=choice > 127)
            for sample in found.samples:
                assert os.path.isfile(sample.path)
                for truth in sample.truths:
                    assert truth.label in range(3)
                    assert all(map(isfinite, truth.box))
                    assert min(truth.box[2:]) >= 0


TARGETS = {
    "cfg": fuzz_cfg,
    "weights": fuzz_weights,
    "checkpoint": fuzz_checkpoint,
    "torch": fuzz_torch,
    "dataset": fuzz_dataset,
}


def _folder() -> tempfile.TemporaryDirectory:
    """In memory, where there is such a file system."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
