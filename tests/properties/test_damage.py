"""What holds for every file, however it was damaged."""

import os
import re
import tempfile
from functools import cache
from pathlib import Path

import nets
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from converter import DarknetError, convert, revert, verify

TOY = (
    "[net]\nwidth=8\nheight=8\nchannels=3\n\n"
    "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n\n"
    "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n"
    "[convolutional]\nfilters=24\nsize=1\nactivation=linear\n\n"
    "[yolo]\nmask=0,1,2\nanchors=10,13, 16,30, 33,23\nclasses=3\nnum=3\n"
)


def whole() -> bytes:
    """The route halves the 4 channels: 4 * 4 + 108 floats, then 24 + 48."""
    body = np.random.default_rng(0).uniform(0.1, 1, 16 + 108 + 24 + 48)
    return b"\0\0\0\0\2\0\0\0" + bytes(12) + body.astype("<f4").tobytes()


def converts_or_refuses(text: bytes, data: bytes) -> None:
    """Either nothing is written, or a checkpoint from which the same bytes come back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.weights")
        path.write_bytes(data)
        path.with_suffix(".cfg").write_bytes(text)
        try:
            result = convert(path)
        except DarknetError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert sorted(os.listdir(folder)) == ["net.cfg", "net.weights"]
            assert "\n" not in refusal
            assert len(refusal) < 1000
            return
        assert result.verified
        back = revert(result.output, path.with_name("back.weights"))
        assert back.output.read_bytes() == data


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """``data`` with one to three things wrong."""
    broken = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(broken) - 1)))
        what = draw(st.sampled_from(("flip", "cut", "drop", "insert", "zero", "repeat")))
        length = draw(st.integers(1, 40))
        if what == "flip" and broken:
            broken[place] ^= 1 << draw(st.integers(0, 7))
        elif what == "cut":
            del broken[place:]
        elif what == "drop":
            del broken[place : place + length]
        elif what == "insert":
            broken[place:place] = draw(st.binary(min_size=length, max_size=length))
        elif what == "zero":
            broken[place : place + length] = bytes(len(broken[place : place + length]))
        else:
            broken[place:place] = broken[place : place + length]
    return bytes(broken)


@st.composite
def edited(draw, text: str) -> str:
    """A cfg as somebody might have edited it."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(("delete", "double", "swap", "number", "word", "append")))
        if what == "delete" and len(lines) > 1:
            del lines[at]
        elif what == "double":
            lines.insert(at, lines[at])
        elif what == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif what == "number":
            number = draw(st.integers(-(2**33), 2**33) | st.integers(-2, 9))
            lines[at] = re.sub(r"-?\d+", str(number), lines[at])
        elif what == "word":
            lines[at] = draw(st.text(max_size=12))
        else:
            lines += lines
    return "\n".join(lines)


@settings(max_examples=300, deadline=None)
@given(damaged(whole()))
def test_weights(data):
    converts_or_refuses(TOY.encode(), data)


@settings(max_examples=300, deadline=None)
@given(edited(TOY))
def test_cfgs(text):
    converts_or_refuses(text.encode("utf-8", "replace"), whole())


@cache
def _converted() -> tuple[bytes, int]:
    """A checkpoint, and where its values begin."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.weights")
        path.write_bytes(whole())
        path.with_suffix(".cfg").write_text(TOY)
        data = convert(path).output.read_bytes()
    return data, 8 + int.from_bytes(data[:8], "little")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_checkpoints(data):
    """No damage to a value goes unnoticed; damage to the header is refused or harmless."""
    good, start = _converted()
    broken = data.draw(damaged(good))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.weights")
        path.write_bytes(whole())
        path.with_suffix(".safetensors").write_bytes(broken)
        try:
            equal = verify(path, path.with_suffix(".safetensors")).ok
        except DarknetError:
            equal = False
        if equal:
            assert broken[-len(good) + start :] == good[start:]
        try:
            back = revert(path.with_suffix(".safetensors"), path.with_name("back.weights"))
        except DarknetError:
            assert not path.with_name("back.weights").exists()
            return
        assert back.output.stat().st_size == back.plan.size
        if back.identical:
            assert back.output.read_bytes() == whole()


def test_the_sample_network_is_refused_at_every_tenth_cut(make):
    files = make(nets.yolov3(2, 3, size=96))
    data = files.weights.read_bytes()
    for size in range(0, len(data), len(data) // 100):
        converts_or_refuses(files.text.encode(), data[:size])
