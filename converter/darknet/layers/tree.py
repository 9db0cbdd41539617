"""Word trees (YOLO9000): a softmax over each group of siblings instead of one over all classes.

A .tree file has a line "name parent" a class. Siblings stand together, so that a change of parent
starts a new group: pj tree.c:83, AB tree.c:85.
"""

import itertools

from converter.darknet.layers.base import Graph, Tensor
from converter.errors import NetworkError
from converter.files.opening import read_small

MAX_BYTES = 4 << 20  # 9k.tree of YOLO9000 has 140 kB


def group_sizes(path: str) -> tuple[int, ...]:
    """Classes in each group of the tree at ``path``; relative to where one is, as in Darknet."""
    text = read_small(path, MAX_BYTES, NetworkError).decode()
    parents = (line.split()[1:2] for line in text.splitlines())
    return tuple(len(list(siblings)) for _, siblings in itertools.groupby(parents))


def obstacle(path: str, classes: int) -> str | None:
    """Why the tree at ``path`` cannot be used for ``classes`` classes; None if it can."""
    try:
        found = sum(group_sizes(path))
    except (NetworkError, UnicodeDecodeError):
        return f"needs the file tree={path}, which is not there"
    return None if found == classes else f"tree={path} has {found} classes, not {classes}"


def softmax(x: Tensor, sizes: tuple[int, ...], dim: int) -> Tensor:
    """Softmax over each group of ``sizes`` values along ``dim``."""
    import torch

    return torch.cat([part.softmax(dim) for part in x.split_with_sizes(sizes, dim)], dim)


def softmax_onnx(g: Graph, x: str, sizes: tuple[int, ...], axis: int) -> str:
    """The same as nodes; ``axis`` is the last, which Softmax means alike in all operator sets."""
    starts = itertools.accumulate(sizes, initial=0)
    parts = [g.slice(x, axis, start, start + n) for start, n in zip(starts, sizes, strict=False)]
    return g.add("Concat", *(g.add("Softmax", part, axis=axis) for part in parts), axis=axis)
