"""What an exported model computes: plain tensors in, a tuple of plain tensors out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from converter.darknet.dialects import DialectName
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.errors import CheckpointError
from converter.options import Layout
from converter.plan import named_arrays
from yolov3.backbone import Darknet53
from yolov3.base import FromDarknet
from yolov3.blocks import batch_norm_rule
from yolov3.exporting.drawing import require_boxes
from yolov3.exporting.layouts import Array
from yolov3.exporting.source import Source, texts
from yolov3.saving import metadata_of, plan_of
from yolov3.sharing.facts import facts_of


class Maps(nn.Module):
    """A model whose list of maps is a tuple: ``names`` say what is what.

    They are ``map0``, ``map1``, ... in the order of the model's own output, or ``logits`` for a
    ``Darknet53`` with a classifier.
    """

    def __init__(self, model: FromDarknet) -> None:
        super().__init__()
        self.model = model
        classifies = isinstance(model, Darknet53) and hasattr(model, "fc")
        count = model.levels if isinstance(model, Darknet53) else len(model.network.outputs)
        self.names = ["logits"] if classifies else [f"map{i}" for i in range(count)]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, channels, H, W) in 0..1 -> the maps."""
        if self.names == ["logits"] and isinstance(self.model, Darknet53):
            return (self.model.classify(x),)
        return tuple(self.model(x))


class Boxes(nn.Module):
    """A detector whose maps are decoded: all boxes, the likely and the unlikely.

    Only tensor operations of fixed size: no threshold, and no suppression of boxes that overlap.

    Raises:
        NetworkError: a head that gives no such boxes.
    """

    names = ("boxes", "scores")

    def __init__(self, model: FromDarknet) -> None:
        super().__init__()
        self.model = model
        network = model.network
        self.heads = nn.ModuleList(_Head(network, node, model.dialect) for node in network.levels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures to boxes (N, M, 4) and scores (N, M, classes).

        Boxes are left, top, right, bottom in pixels of ``x``, not cut off at its edges; scores
        objectness times class probability. They stand in the order of the maps, row by row, cell by
        cell, anchor by anchor.
        """
        found = [head(raw) for head, raw in zip(self.heads, self.model(x), strict=True)]
        return torch.cat([boxes for boxes, _ in found], 1), torch.cat([s for _, s in found], 1)


def graph_of(model: FromDarknet, layout: Layout) -> Maps | Boxes:
    """What the file of ``model`` computes, in eval mode: maps, or else boxes."""
    return (Maps(model) if layout == "maps" else Boxes(model)).eval()


def outputs_of(model: FromDarknet, inputs: list[Array], layout: Layout) -> list[list[Array]]:
    """What PyTorch computes for each of ``inputs``: the maps, or else boxes and scores.

    Raises:
        CheckpointError: that is not finite.
    """
    graph = graph_of(model, layout)
    with torch.no_grad():
        found = [[y.numpy() for y in graph(torch.from_numpy(x))] for x in inputs]
    if not all(np.isfinite(y).all() for outputs in found for y in outputs):
        raise CheckpointError(
            "the model's own output is infinite or no number, so no file can be compared with it"
        )
    return found


def source_in_memory(model: FromDarknet) -> Source | None:
    """What an ONNX graph of ``model`` is made of; None if its tensors are not its network's."""
    try:
        plan = plan_of(model)
    except CheckpointError:
        return None
    state = model.state_dict()
    places = {
        (node.index, array.suffix): (name, array.shape)
        for node, array, name in named_arrays(model.network, plan.naming, plan.dialect)
    }
    if any(name not in state for name, _ in places.values()):
        return None

    def arrays(layer: int, suffix: str) -> Array:
        name, shape = places[layer, suffix]
        values: Array = state[name].detach().cpu().numpy().reshape(shape)
        return values

    return Source(
        network=model.network,
        dialect=plan.dialect,
        naming=plan.naming,
        rule=batch_norm_rule(model),
        arrays=arrays,
        facts=texts(facts_of(model), model.network, plan.dialect, metadata_of(model).source_sha256),
    )


class _Head(nn.Module):
    """Decodes one map."""

    sizes: torch.Tensor
    stride: torch.Tensor

    def __init__(self, network: Network, node: Node, dialect: DialectName) -> None:
        super().__init__()
        layer = require_boxes(node)
        self.layer, self.dialect = layer, dialect
        stride = (network.input.w / node.output.w, network.input.h / node.output.h)
        sizes = torch.tensor(layer.sizes_in_pixels(stride))
        self.register_buffer("stride", torch.tensor(stride), persistent=False)
        self.register_buffer("sizes", sizes, persistent=False)

    def forward(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, anchors * values, h, w) -> (N, M, 4), (N, M, classes)."""
        values = self.layer.values(raw, self.dialect)
        return self.layer.decode_all(values, self.sizes, self.stride)
