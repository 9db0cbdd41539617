"""Any Darknet network as a PyTorch module, layer by layer as its cfg says."""

from collections.abc import Iterator, Mapping
from typing import Self

import torch
from torch import nn

from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.layers import Misfit, container
from converter.darknet.network import Network
from converter.darknet.nodes import Node
from converter.darknet.schedule import owner, require_runnable, schedule
from converter.errors import NetworkError, UsageError
from converter.plan import Plan
from yolov3.base import shapes_of
from yolov3.finetune import Anchors, FineTuning, initialise, with_heads
from yolov3.sharing.pretrained import Pretrained


class DarknetModel(FineTuning, Pretrained):
    """The network of a cfg, with family generic's tensor names: ``layers.{cfg index}.{suffix}``.

    Every layer computes as at inference, so [dropout] does nothing while training either; gradients
    pass the signs of xnor=1 as in Darknet's training. Pictures may have another size than the cfg
    says, as long as its layers allow it. Recurrent layers start every call from a zero state.

    Args:
        network: the network.
        dialect: whose engine to follow where the two differ: the output of [region], the arrays of
            [batchnorm] and [rnn]. Default: the one that the network was read as.

    Raises:
        NetworkError: a layer does not run exactly in PyTorch; with its name, line and the reason.
    """

    def __init__(self, network: Network, dialect: DialectName | None = None) -> None:
        super().__init__()
        self.dialect = dialect = dialect or network.dialect or DEFAULT
        self._follow(network)
        require_runnable(network, dialect)
        self.layers = nn.ModuleList(_module(node, dialect) for node in network.nodes)

    @classmethod
    def build(cls, plan: Plan) -> Self:
        """The model of any plan's network, whose names should be those of family generic."""
        return cls(plan.network, plan.dialect)

    def _follow(self, network: Network) -> None:
        self.network = network
        self._owners = [owner(network, node) for node in network.nodes]
        self._stride = network.coarsest_stride  # here, since torch.compile cannot follow it
        self._maps = tuple(node.map_index for node in network.levels)
        self._to_maps = schedule(network, self._maps, keep=self._maps)
        self._to_all = schedule(network, range(len(network.nodes)), keep=())

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The raw maps that the heads get, fine to coarse; without heads, the last layer's output.

        Args:
            x: (N, channels, height, width) or (N, inputs) float32; pictures are RGB in 0..1.

        Returns:
            Tensors (N, c, h, w), or (N, outputs) where Darknet knows no height and width.

        Raises:
            NetworkError: a layer cannot work on so many pictures, or on their size; a detector's
                height and width are multiples of its coarsest stride.
        """
        if self._stride:
            self._require_size(x, self._stride)
        kept = {-1: x}
        for node, expired in self._to_maps:
            kept[node.index] = self._run(node, kept)
            for index in expired:
                kept.pop(index)
        return [kept[index] for index in self._maps]

    def forward_layers(
        self, x: torch.Tensor, given: Mapping[int, torch.Tensor] | None = None
    ) -> Iterator[tuple[int, torch.Tensor | None]]:
        """Every cfg layer's own output, as the dialect's engine leaves it behind; heads included.

        Args:
            x: as for ``forward``.
            given: outputs to go on with in place of those that were computed and yielded, by cfg
                index; an engine's own, when it is known to be wrong there.

        Yields:
            The cfg index and the output, shaped as in ``forward``; None for a [cost].
        """
        kept = {-1: x}
        for node, expired in self._to_all:
            if node.layer.has_output:
                kept[node.index] = self._run(node, kept)
            yield node.index, kept.get(node.index)
            if given and node.index in given:
                kept[node.index] = given[node.index]
            for index in expired:
                kept.pop(index, None)

    def _replace_heads(self, num_classes: int, anchors: Anchors | None) -> None:
        self._become(with_heads(self.network, num_classes, anchors))
        self._follow(self.network)
        for index in dict.fromkeys(head.sources[0] for head in self.network.outputs):
            like = next(self.layers[index].parameters())
            fresh = _module(self.network.nodes[index], self.dialect)
            self.layers[index] = initialise(fresh, like)

    def _backbone(self) -> list[nn.Module]:
        """What all heads share, but the convolutions before them."""
        heads = [node for node in self.network.outputs if node.layer.is_head]
        if not heads:
            raise UsageError(
                "this network has no heads that show where its backbone ends",
                remedy="say how many layers: freeze_backbone(layers)",
            )
        before = (schedule(self.network, head.sources, keep=()) for head in heads)
        shared = set.intersection(*({node.index for node, _ in nodes} for nodes in before))
        shared -= {head.sources[0] for head in heads}
        return [self.layers[index] for index in sorted(shared)]

    def _first(self, layers: int) -> nn.ModuleList:
        return self.layers[:layers]

    def _foldable(self) -> Iterator[nn.Module]:
        """Those whose weights no xnor layer uses: 0 times a negative scale is no other sign."""
        owners = zip(self.network.nodes, self._owners, strict=True)
        signs = {index for node, index in owners if getattr(node.layer, "xnor", 0)}
        for index, layer in enumerate(self.layers):
            if index not in signs:
                yield from layer.modules()

    def _run(self, node: Node, kept: dict[int, torch.Tensor]) -> torch.Tensor:
        arrays = self.layers[self._owners[node.index]]
        try:
            return node.layer.forward(arrays, *(kept[source] for source in node.sources))
        except Misfit as error:
            raise NetworkError(
                f"cannot compute: {error}",
                place=node.place,
                remedy=f"give it a multiple of {self.network.net.time_steps} inputs of"
                f" {self.network.input}",
            ) from error


def _module(node: Node, dialect: DialectName) -> nn.Module:
    """The layer's modules, checked against its arrays: the checkpoint must fit."""
    module = container(node.layer.modules(node.inputs, dialect), dialect)
    arrays = dict(node.layout(dialect))
    tensors = shapes_of(module.state_dict())
    if tensors != arrays:
        raise RuntimeError(f"{node.place}: modules {tensors} do not hold its arrays {arrays}")
    return module
