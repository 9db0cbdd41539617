"""What OpenCV's importer does with a cfg, in the words of a verdict of ``info --engines``."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import cv2
import numpy as np
from loading import load, outputs
from one_feature import picture

from converter.darknet.dialects import DialectName
from converter.darknet.layers.cells import RawMap
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.network import Network, parse_network
from converter.diagnosis.engines import compare_engines
from converter.diagnosis.verdict import Verdict

# Relative L2 distance that rounding explains: one layer is within 9e-7, yolov3 within 1.2e-5.
SAME = 1e-4
OTHER = 1e-3  # another network is farther away than that

# What Darknet's batch norm adds to the variances, less what OpenCV's does: darknet_io.cpp:121.
EPSILONS = np.float32(1e-5 - 1e-6)

Outputs = Mapping[int, np.ndarray]


def arrays(net: Network, dialect: DialectName) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Kind and shape of the arrays of a .weights file, in its order."""
    for node in net.nodes:
        for array in node.layer.arrays(node.inputs, dialect):
            if array.on_disk:
                yield array.kind, array.shape


def random_weights(net: Network, dialect: DialectName) -> bytes:
    rng = np.random.default_rng(0)
    parts = [np.array((0, 2, 5), "<i4").tobytes(), np.array([64_000], "<u8").tobytes()]
    for kind, shape in arrays(net, dialect):
        if kind.endswith("weights"):
            # Without a gain for the activation: sums would grow from shortcut to shortcut.
            values = rng.standard_normal(shape, np.float32) / np.float32(prod(shape[1:])) ** 0.5
        elif kind.endswith(("scales", "rolling_variance")):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = rng.normal(0, 0.1, shape)
        parts.append(values.astype("<f4").tobytes())
    return b"".join(parts)


def shifted(data: bytes, net: Network, dialect: DialectName) -> bytes:
    """The file with the variances that make OpenCV's batch norm Darknet's."""
    values, start = np.frombuffer(data, "<f4", offset=20).copy(), 0
    for kind, shape in arrays(net, dialect):
        end = start + prod(shape)
        if kind.endswith("rolling_variance"):
            values[start:end] += EPSILONS
        start = end
    return data[:20] + values.tobytes()


def run(folder: Path, text: str, data: bytes, x: np.ndarray) -> list[np.ndarray] | None:
    """The outputs that nothing reads, in the order of their layers; None if it is refused."""
    cfg, file = folder / "opencv.cfg", folder / "opencv.weights"
    cfg.write_bytes(text.encode())
    file.write_bytes(data)
    try:
        net = cv2.dnn.readNetFromDarknet(str(cfg), str(file))
        net.setInput(np.ascontiguousarray(x[None], np.float32))
        return [np.asarray(y) for y in net.forward(net.getUnconnectedOutLayersNames())]
    except cv2.error:
        return None


def compared(found: list[np.ndarray] | None, net: Network, expected: Outputs, x: np.ndarray) -> str:
    """What happened, in the words of a verdict."""
    if found is None:
        return "refuses"
    read = {source for node in net.nodes for source in node.sources}
    ends = [node for node in net.nodes if node.index not in read]
    if len(found) != len(ends):
        return "differs"
    worst = 0.0
    for y, node in zip(found, ends, strict=True):
        source = node.index if node.layer.has_output else node.sources[0]
        raw = expected.get(node.sources[0], x)
        if node.layer.is_head:
            worst = max(worst, distance_of_boxes(y, net, node.layer, raw))
        else:
            worst = max(worst, distance(y, expected[source]))
    return "runs" if worst <= SAME else "differs" if worst > OTHER else f"is off by {worst:.2g}"


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.size != expected.size or not np.isfinite(found).all():
        return float("inf")
    found, expected = (a.astype(np.float64).ravel() for a in (found, expected))
    assert np.isfinite(expected).all()
    far, size = np.linalg.norm(found - expected), np.linalg.norm(expected)
    return float(far / size) if size else float(far)


def distance_of_boxes(found: np.ndarray, net: Network, head: AnchorHead, raw: np.ndarray) -> float:
    """Of every cell's boxes; of the likelihoods that it has not left out."""
    size, maps = (net.input.h, net.input.w), RawMap(raw[None], np.asarray)
    _, boxes, scores = head.boxes(maps, size, float("-inf"), net.dialect or "pjreddie")
    if found.shape != (len(boxes), 5 + head.classes):
        return float("inf")
    kept = found[:, 5:] > 0
    far = distance(found[:, :4], boxes)
    return max(far, distance(found[:, 5:][kept], scores[kept])) if kept.any() else far


def what_happens(folder: Path, text: str, dialect: DialectName, meant: str | None = None) -> str:
    """What OpenCV does with a cfg that ``dialect``'s engine takes, in the words of a verdict.

    ``meant`` is what that engine makes of the text, if another one says it better.
    """
    net = parse_network(meant or text, dialect)
    data = random_weights(net, dialect)
    x = picture(*net.input.sides)
    found = run(folder, text, shifted(data, net, dialect), x)
    if found is None:
        return "refuses"
    cfg, file = folder / "net.cfg", folder / "net.weights"
    cfg.write_bytes((meant or text).encode())
    file.write_bytes(data)
    checkpoint = folder / "net.safetensors"
    checkpoint.unlink(missing_ok=True)
    return compared(found, net, outputs(load(cfg, file, checkpoint, dialect), x), x)


def judge(text: str, dialect: DialectName | None = None) -> Verdict:
    """What ``info --engines`` says of OpenCV."""
    return compare_engines(text, dialect).verdicts["opencv"]


def require_as_judged(
    folder: Path, text: str, dialect: DialectName, answer: str, lines: list[int]
) -> None:
    """It is judged as ``answer`` by reason of ``lines``, and that is what happens."""
    verdict = judge(text, dialect)
    assert (verdict.answer, [reason.line for reason in verdict.reasons]) == (answer, lines)
    assert what_happens(folder, text, dialect) == answer
