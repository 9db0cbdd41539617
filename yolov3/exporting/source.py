"""Where an exported graph and its values come from: a checkpoint, or a model in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from converter.checkpoint.checkpoint import Checkpoint, native_plan, require_no_surplus
from converter.checkpoint.dtypes import widen
from converter.darknet.dialects import DialectName
from converter.darknet.network import Network
from converter.errors import CheckpointError
from converter.families.base import Naming
from converter.families.template import BACKBONE_LAYERS
from converter.options import BatchNormRule
from converter.plan import Slot, named_arrays
from converter.version import TOOL
from yolov3.exporting.drawing import Drawing, draw_boxes, draw_logits, draw_maps
from yolov3.exporting.onnx import Arrays
from yolov3.sharing.facts import facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Source:
    """All that a graph is made of.

    Attributes:
        network: what it computes.
        dialect: whose engine to follow.
        naming: of the model that ``yolov3`` has for the network.
        rule: of batch norm.
        arrays: the values.
        facts: what the file says of itself.
    """

    network: Network
    dialect: DialectName
    naming: Naming
    rule: BatchNormRule
    arrays: Arrays
    facts: Mapping[str, str]

    @property
    def maps(self) -> list[int] | None:
        """Layers whose outputs are those of the model; None for the raw maps of its heads."""
        spec = self.naming.spec
        if spec is None or spec.levels:
            return None
        return _stages(self.network)[-3:]  # as many as a Darknet53 returns

    def draw(self, *, boxes: bool, opset: int, dynamic: bool) -> Drawing:
        """The graph.

        Args:
            boxes: decoded boxes and their scores, in place of the raw maps.
            opset: the ONNX operator set.
            dynamic: leave the numbers of pictures, rows and columns open.

        Raises:
            NetworkError: a layer cannot be computed exactly, or there are no boxes.
        """
        options: dict[str, Any] = {"opset": opset, "rule": self.rule, "dynamic": dynamic}
        if boxes:
            return draw_boxes(self.network, self.dialect, **options)
        if self.naming.linear is not None:
            return draw_logits(self.network, self.dialect, self.naming.linear, **options)
        return draw_maps(self.network, self.dialect, self.maps, **options)


def source_of(stored: Checkpoint) -> Source:
    """That of a checkpoint, whose values are read when they are asked for.

    Raises:
        CheckpointError: it does not fill its network, or has more.
    """
    plan = stored.plan
    require_no_surplus(stored.contents.names, plan)
    tensors = stored.tensors()
    slots = {slot.tensor: slot for slot in plan.tensors}
    places: dict[tuple[int, str], tuple[Slot, tuple[int, ...]]] = {}
    for node, array, name in named_arrays(plan.network, plan.naming, plan.dialect):
        if name not in slots:
            raise CheckpointError(
                "is not in the checkpoint",
                path=stored.contents.path,
                place=name or f"{array.kind} of {node.place}",
                remedy="use the weights of the whole network",
            )
        tensors.require(slots[name])
        places[node.index, array.suffix] = slots[name], array.shape

    def arrays(layer: int, suffix: str) -> NDArray[np.float32]:
        slot, shape = places[layer, suffix]
        return widen(tensors.rows(slot)(0, slot.shape[0]), stored.dtype).reshape(shape)

    claims, naming = stored.claims, native_plan(plan).naming
    return Source(
        network=plan.network,
        dialect=plan.dialect,
        naming=naming,
        rule="torch",
        arrays=arrays,
        facts=texts(
            facts(
                plan.network,
                model=naming.model,
                family=naming.family if claims else None,
                dialect=plan.dialect if claims else None,
                names=claims.names if claims else None,
            ),
            plan.network,
            claims.source_sha256 if claims else None,
        ),
    )


def texts(known: Mapping[str, Any], network: Network, sha256: str | None) -> dict[str, str]:
    """What a file says of its model: ``known``, the .weights file's SHA-256, its cfg, this tool."""
    values = {**known, "source_sha256": sha256, "cfg": network.text, "tool": TOOL}
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
    }


def _stages(network: Network) -> list[int]:
    """The last layer of each stage of Darknet-53, which ends where another halves the picture."""
    nodes = network.nodes[1:BACKBONE_LAYERS]
    halved = [node.index for node in nodes if node.output.h < node.inputs[0].h]
    return [*(index - 1 for index in halved[1:]), BACKBONE_LAYERS - 1]
