"""Fine-tuning: fresh heads, frozen layers, batch norm folded away."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Self

import torch
from torch import nn

from converter.darknet.cfg import parse_cfg
from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.layers.heads import AnchorHead, MaskedHead
from converter.darknet.network import Network, parse_network
from converter.darknet.nodes import Node
from converter.errors import NetworkError, UsageError
from converter.families import native_naming
from yolov3.base import FromDarknet
from yolov3.blocks import PjreddieBatchNorm1d, PjreddieBatchNorm2d

# (width, height) of each, as the cfg has them.
Anchors = Sequence[tuple[float, float]]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

CLASSIFIER = """
[avgpool]

[convolutional]
filters={classes}
size=1
stride=1
pad=1
activation=linear

[softmax]
groups=1
"""


class FineTuning(FromDarknet):
    """What all models here can do on the way to another task."""

    def train(self, mode: bool = True) -> Self:
        """Training mode; but batch norm whose weights are frozen keeps its statistics as well."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _NORMS) and not any(p.requires_grad for p in module.parameters()):
                module.eval()
        return self

    def fuse(self) -> Self:
        """A copy in eval mode, with every batch norm folded into the layer before it.

        It computes the same but for rounding, by the batch-norm rule that this model has. Its
        tensors are no longer Darknet's: it is for inference, and cannot be saved as a checkpoint.
        Layers that compute with signs keep theirs.
        """
        fused = copy.deepcopy(self).eval()
        for module in fused._foldable():
            weighted = getattr(module, "conv", None) or getattr(module, "fc", None)
            norm = getattr(module, "bn", None)
            if isinstance(norm, _NORMS) and isinstance(weighted, nn.Module):
                _fold(weighted, norm)
                module.bn = nn.Identity()
        return fused

    def _foldable(self) -> Iterable[nn.Module]:
        """The modules whose batch norm may be folded."""
        return self.modules()

    def freeze_backbone(self, layers: int | None = None) -> Self:
        """Keep weights and statistics of the backbone as they are; train the rest only.

        ``model.requires_grad_(True).train()`` is the way back.

        Args:
            layers: how many layers of the cfg, from the first on. Darknet's own cut-offs are 15 for
                yolov3-tiny, 74 for yolov3, 137 for yolov4, as the names of their files with
                pretrained layers say. Default: the ``backbone`` of a YOLOv3, all but the classifier
                of a Darknet53, and in any other detector what all its heads share.

        Raises:
            UsageError: the network does not have so many layers; or it must be said how many.
        """
        if layers is not None:
            self._require_layers(layers)
        for module in self._backbone() if layers is None else self._first(layers):
            module.requires_grad_(False)
        return self.train(self.training)

    def _backbone(self) -> Iterable[nn.Module]:
        """What ``freeze_backbone`` freezes."""
        raise NotImplementedError

    def replace_heads(
        self,
        num_classes: int,
        *,
        names: Sequence[str] | None = None,
        anchors: Anchors | None = None,
    ) -> Self:
        """Fresh heads for other classes, as darknet initialises them; all else stays as it is.

        A detector gets other convolutions before its heads. A ``Darknet53`` gets another
        classifier, a bare one its first. The network and its cfg text change with them, and
        training starts anew (``seen`` 0).

        Args:
            num_classes: how many classes.
            names: their names, which are unknown otherwise.
            anchors: (width, height) as the cfg has them, as many and in its order (a YOLOv3's: fine
                to coarse): in pixels of the picture, for [region] in cells. Default: they stay. A
                ``Darknet53`` has none.

        Raises:
            UsageError: ``num_classes`` is less than 1, names or anchors are not as many as there
                must be, or the model has no cfg that says which anchors it has.
            NetworkError: the network has no heads whose classes can be replaced.
        """
        _require_classes(num_classes, names)
        self._replace_heads(num_classes, anchors)
        self.names = None if names is None else list(names)
        return self.train(self.training)

    def _replace_heads(self, num_classes: int, anchors: Anchors | None) -> None:
        """Put fresh heads in the place of the model's, and change its network."""
        raise NotImplementedError

    def _first(self, layers: int) -> Iterable[nn.Module]:
        """The modules of the cfg's first layers."""
        paths = native_naming(self.network).modules
        return [self.get_submodule(paths[index]) for index in sorted(paths) if index < layers]

    def _require_layers(self, layers: int) -> None:
        """Refuse a number of layers that the cfg does not have, or if there is no cfg."""
        if not hasattr(self, "network"):
            raise UsageError("layers= belong to a cfg, and this model comes from no checkpoint")
        if not 1 <= layers <= len(self.network.nodes):
            raise UsageError(f"layers={layers} is outside 1 to {len(self.network.nodes)}")

    def _become(self, text: str) -> None:
        """Belong to another cfg, and start to train anew.

        Darknet goes on with the batch that ``seen`` is at, and stops where that is beyond
        max_batches; so it is 0, as ``darknet partial`` writes it (pj examples/darknet.c:187 loads
        with ``clear``, network.c:59).
        """
        self._set_network(parse_network(text, self.network.dialect))
        if self.metadata is not None:
            header = replace(self.metadata.header, seen=0)
            self.metadata = replace(self.metadata, header=header, assumed={})


def _require_classes(classes: int, names: Sequence[str] | None) -> None:
    """Refuse a number of classes that no head can have, and names that are not as many."""
    if classes < 1:
        raise UsageError(f"num_classes={classes} must be at least 1")
    if isinstance(names, str):
        raise UsageError(f"names={names!r} is no list of names")
    if names is not None and len(names) != classes:
        raise UsageError(f"names= has {len(names)} names for num_classes={classes}")


def initialise(module: nn.Module, like: torch.Tensor) -> nn.Module:
    """``module`` with the weights that pjreddie's darknet starts from; device and type as ``like``.

    Convolutions get N(0, 2 / (size * size * c / groups)) and biases 0 (pj
    convolutional_layer.c:199-209), and so does a linear layer, which is a 1x1 convolution there.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            fan_in = part.weight[0].numel()
            nn.init.normal_(part.weight, std=(2 / fan_in) ** 0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module.to(like)


def with_heads(network: Network, classes: int, anchors: Anchors | None) -> str:
    """``network``'s cfg text for other classes, all else as it was.

    The ``classes`` of every head and the ``filters`` of the convolution before it are rewritten,
    and the ``anchors``, if there are others.

    Raises:
        UsageError: ``anchors`` are not as many as a head has, or no sizes.
        NetworkError: a head that is not that of an anchor-based detector on a convolution.
    """
    options: dict[int, dict[str, int | str]] = {}
    for head in network.outputs:
        layer, conv = _replaceable(head), network.nodes[head.sources[0]]
        if not isinstance(conv.layer, Convolutional) or conv.layer.shares or conv.layer.has_norm:
            raise NetworkError(
                f"gets its input from layer {conv.index}, which is no plain convolution",
                place=head.place,
                remedy="change the cfg by hand and train from that",
            )
        options[conv.index] = {"filters": layer.channels(classes)}
        options[head.index] = {"classes": classes}
        if anchors is not None:
            _require_anchors(anchors, layer, head)
            options[head.index]["anchors"] = ", ".join(f"{w:.9g},{h:.9g}" for w, h in anchors)
    return rewritten(network.text, options)


def _replaceable(head: Node) -> AnchorHead:
    """The layer of a head whose classes can be changed."""
    if isinstance(head.layer, AnchorHead) and head.layer.channels_per_class:
        return head.layer
    raise NetworkError(
        "is no head whose classes can be replaced",
        place=head.place,
        remedy="only [yolo], [Gaussian_yolo] and [region] without tree= can",
    )


def _require_anchors(anchors: Anchors, layer: AnchorHead, head: Node) -> None:
    """Refuse anchors that are not as many as the cfg of a head has, or no sizes."""
    count = layer.anchor_count
    if isinstance(layer, MaskedHead):  # of a list that several heads share
        count = max(layer.num, *(index + 1 for index in layer.used_mask))
    if len(anchors) != count:
        raise UsageError(f"anchors= has {len(anchors)} pairs, {head.place} has {count}")
    for pair in anchors:
        if len(pair) != 2 or not all(0 < side < inf for side in pair):
            raise UsageError(f"anchors= has {tuple(pair)}, which is no width and height")


def rewritten(text: str, options: Mapping[int, Mapping[str, int | str]]) -> str:
    """Cfg text with options of some layers set: layer index -> key -> value."""
    lines = text.split("\n")
    _, *sections = parse_cfg(text)
    for index, settings in options.items():
        for key, value in settings.items():
            option = sections[index].find(key)
            if option is not None:
                lines[option.line - 1] = f"{key}={value}"
            else:
                lines[sections[index].line - 1] += f"\n{key}={value}"
    return "\n".join(lines)


def _fold(weighted: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Give a convolution or linear layer the scale and shift of ``norm``, computed in float64."""
    weight, mean, variance = weighted.weight, norm.running_mean, norm.running_var
    if variance is None or mean is None or not isinstance(weight, torch.Tensor):
        raise ValueError(f"{type(norm).__name__} without running statistics cannot be folded")
    if isinstance(norm, PjreddieBatchNorm1d | PjreddieBatchNorm2d):
        deviation = variance.double().sqrt() + 1e-6
    else:
        deviation = (variance.double() + norm.eps).sqrt()
    scale = norm.weight.double() / deviation
    shape = [1] * weight.dim()
    # A transposed convolution has its filters in the second place.
    shape[1 if isinstance(weighted, nn.ConvTranspose2d) else 0] = -1
    bias = norm.bias.double() - mean.double() * scale
    if isinstance(weighted.bias, torch.Tensor):
        bias += weighted.bias.double() * scale
    with torch.no_grad():
        weighted.weight = nn.Parameter((weight.double() * scale.reshape(shape)).to(weight.dtype))
        weighted.bias = nn.Parameter(bias.to(weight.dtype))
