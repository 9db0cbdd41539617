"""The article's own wiring, whose neck has no place for Darknet's lateral and merge convs."""

from dataclasses import replace

from converter.darknet.network import Network
from converter.errors import FamilyError
from converter.families import yolov3
from converter.families.base import Family, Naming
from converter.families.template import Spec


def name_layers(network: Network) -> Naming:
    """The names of the article's model.

    Raises:
        FamilyError: ``network`` is no YOLOv3, or one that the article's model cannot be.
    """
    naming = yolov3.name_layers(network)
    spec = naming.spec
    if spec is None or not spec.levels:
        raise FamilyError("is a backbone, and the article's wiring is about the neck")
    if spec.spp:
        raise FamilyError("has spatial pyramid pooling, which the article's FPN lacks")
    modules = {
        index: path
        for index, path in naming.modules.items()
        if not path.startswith(("fpn.lateral_convs", "fpn.merge_convs"))
    }
    return replace(
        naming,
        family=FAMILY.name,
        modules=modules,
        unfilled=_unfilled(spec),
        spec=replace(spec, wiring="article"),
    )


FAMILY = Family(
    name="article",
    summary="the article's own wiring, filled as far as Darknet's weights fit",
    name_layers=name_layers,
    one_way="the article's wiring has no place for all that a .weights file holds",
)


def _unfilled(spec: Spec) -> dict[str, tuple[int, ...]]:
    unfilled: dict[str, tuple[int, ...]] = {
        # the article's Darknet53() keeps its 1000-class classifier
        "backbone.fc.2.weight": (1000, 32 * spec.width),
        "backbone.fc.2.bias": (1000,),
    }
    channels = spec.channels
    for i, c in enumerate(channels):
        unfilled[f"fpn.lateral_convs.{i}.weight"] = (c // 2, c, 1, 1)
        unfilled[f"fpn.lateral_convs.{i}.bias"] = (c // 2,)
    for i, c in enumerate(channels[:-1]):
        unfilled[f"fpn.merge_convs.{i}.weight"] = (c // 2, c + channels[i + 1] // 2, 1, 1)
        unfilled[f"fpn.merge_convs.{i}.bias"] = (c // 2,)
    return unfilled
