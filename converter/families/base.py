"""What a naming scheme is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from converter.darknet.network import Network
from converter.errors import FamilyError
from converter.families.template import Spec
from converter.records import dataclass

if TYPE_CHECKING:  # few networks need them
    from numpy.typing import NDArray

    from converter.families.rules import Rule


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Where the arrays of each layer of one network go.

    Attributes:
        family: name of the scheme.
        modules: layer index -> module path, in file order; a layer that is not in it is left out.
        parts: layer index -> the paths of its ``conv`` and ``bn``, where they do not stand under
            these names in the layer's module.
        rules: (layer index, array's name in the layer's own module) -> how its values differ from
            Darknet's; those that are not in it are the same.
        prefix: what stands before every path, as a shell around the model put it there.
        linear: layer whose 1x1 convolution becomes a Linear of the same values, if there is one.
        unfilled: tensors of the model that the file has no values for, with their shapes.
        extras: the names, as a regular expression, of tensors that a checkpoint may hold and
            Darknet knows nothing like: constants of its heads. None are written.
        note: what one must know to load the tensors and compute what Darknet does; "" for nothing.
        spec: what to build the modular model from; None for a model that follows the cfg.
        reason: why the network has no more particular names, if it was tried.
    """

    family: str
    modules: Mapping[int, str]
    parts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    rules: Mapping[tuple[int, str], Rule] = field(default_factory=dict)
    prefix: str = ""
    linear: int | None = None
    unfilled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    extras: str = ""
    note: str = ""
    spec: Spec | None = None
    reason: str = ""

    @property
    def model(self) -> str:
        """The class in ``yolov3`` that a native scheme's names are of."""
        if self.spec is None:
            return "DarknetModel"
        return "YOLOv3" if self.spec.levels else "Darknet53"

    def require_spec(self) -> Spec:
        """What to build the modular model from.

        Raises:
            FamilyError: the names are not of one.
        """
        if self.spec is None:
            raise FamilyError(f"names of family {self.family} are those of no modular YOLOv3")
        return self.spec

    def tensor(self, layer: int, suffix: str) -> str:
        """The name of a layer's array, given its name in the layer's own module; "" if left out."""
        path = self.modules.get(layer)
        if not path:
            return ""
        if layer in self.parts:
            part, _, suffix = suffix.partition(".")
            path = self.parts[layer][part]
        return f"{self.prefix}{path}.{suffix}"

    def is_extra(self, tensor: str) -> bool:
        """Whether Darknet has nothing like this tensor, and need not."""
        name = tensor.removeprefix(self.prefix)
        return bool(self.extras) and re.fullmatch(self.extras, name) is not None

    def shape(self, layer: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a layer's array, given that in the layer's own module."""
        return shape[:2] if layer == self.linear else shape


class Tensors(Protocol):
    """What is in a checkpoint, for those who recognise its network."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of all tensors, by name."""

    def array(self, name: str) -> NDArray[Any]:
        """A tensor's values, of its shape."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A naming scheme.

    Attributes:
        name: what it is asked for as.
        summary: whose tensor names these are, in a few words.
        name_layers: the names for a network; a ``FamilyError`` names the first layer that it has
            no place for.
        one_way: why a checkpoint of it cannot go back to Darknet; None if it can.
        native: whether the models of ``yolov3`` have these very names.
        recognise: the network of a checkpoint, if its tensors show that it is one of this scheme
            that no published cfg is of; a ``FamilyError`` says why it cannot be one of Darknet.
    """

    name: str
    summary: str
    name_layers: Callable[[Network], Naming]
    one_way: str | None = None
    native: bool = True
    recognise: Callable[[Tensors], Network | None] | None = None
