"""Where an exported graph and its values come from: a checkpoint, or a model in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from converter.checkpoint.checkpoint import (
    Checkpoint,
    native_plan,
    require_no_surplus,
    require_way_back,
)
from converter.checkpoint.dtypes import widen
from converter.darknet.dialects import DialectName
from converter.darknet.layers.graph import Graph
from converter.darknet.network import Network
from converter.errors import CheckpointError, errors_name
from converter.families.base import Naming
from converter.families.template import BACKBONE_LAYERS
from converter.options import BatchNormRule, Layout
from converter.plan import Slot, named_arrays
from converter.records import dataclass
from converter.version import TOOL
from yolov3.exporting.drawing import Drawing, draw_decoded, draw_logits, draw_maps
from yolov3.exporting.onnx import Arrays
from yolov3.sharing.facts import facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a file gives, and how it computes that.

    Attributes:
        layout: raw maps, or decoded boxes as one of ``drawing.draw_decoded``'s outputs.
        opset: the ONNX operator set.
        dynamic: whether the numbers of pictures, rows and columns are left open.
        batch: how many pictures, unless that is left open.
        half: whether weights and computation are in float16.
    """

    layout: Layout = "maps"
    opset: int
    dynamic: bool = False
    batch: int = 1
    half: bool = False


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

    def draw(self, options: Options) -> Drawing:
        """The graph.

        Raises:
            NetworkError: a layer cannot be computed exactly, or there are no such boxes.
        """
        graph = Graph(
            opset=options.opset,
            dialect=self.dialect,
            rule=self.rule,
            dynamic=options.dynamic,
            batch=options.batch,
            half=options.half,
        )
        if options.layout != "maps":
            return draw_decoded(self.network, graph, options.layout)
        if self.naming.linear is not None:
            return draw_logits(self.network, graph, self.naming.linear)
        return draw_maps(self.network, graph, self.maps)

    def says(self, options: Options) -> dict[str, str]:
        """``facts``, and what the programs that a layout is for expect."""
        if options.layout != "ultralytics":
            return dict(self.facts)
        # ultralytics 8.4 nn/backends/onnx.py, Frigate: Python literals as text.
        count = self.network.classes or 0
        names = json.loads(self.facts["names"]) or [f"class{i}" for i in range(count)]
        return {
            **self.facts,
            "names": str(dict(enumerate(names or ["object"]))),
            "stride": str(self.network.coarsest_stride),
            "imgsz": str([self.network.input.h, self.network.input.w]),
            "task": "detect",
            "batch": str(options.batch),
        }


def source_of(stored: Checkpoint) -> Source:
    """That of a checkpoint, whose values are read when they are asked for.

    Raises:
        CheckpointError: it does not fill its network, or has more.
    """
    plan = stored.plan
    with errors_name(stored.contents.path, CheckpointError):
        require_way_back(plan.naming.family)
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
    if claims is not None:
        claims = replace(claims, family=naming.family)
    return Source(
        network=plan.network,
        dialect=plan.dialect,
        naming=naming,
        rule="torch",
        arrays=arrays,
        facts=texts(
            facts(plan.network, naming.model, claims, stored.class_names),
            plan.network,
            plan.dialect,
            claims.source_sha256 if claims else None,
        ),
    )


def texts(
    known: Mapping[str, Any], network: Network, dialect: DialectName, sha256: str | None
) -> dict[str, str]:
    """What a file says of its model: all that detection needs to know beside its outputs.

    That is ``known``, the .weights file's SHA-256, its cfg, this tool, the dialect that was
    followed, whether the weights say it or not, and whose engine reads the cfg: null if all its
    options count.
    """
    values = {
        **known,
        "dialect": dialect,
        "reading": network.dialect,
        "source_sha256": sha256,
        "cfg": network.text,
        "tool": TOOL,
    }
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
    }


def _stages(network: Network) -> list[int]:
    """The last layer of each stage of Darknet-53, which ends where another halves the picture."""
    nodes = network.nodes[1:BACKBONE_LAYERS]
    halved = [node.index for node in nodes if node.output.h < node.inputs[0].h]
    return [*(index - 1 for index in halved[1:]), BACKBONE_LAYERS - 1]
