"""What a naming says of a network's tensors."""

from functools import partial

import pytest

from converter.errors import FamilyError
from converter.families.base import Family, Naming
from converter.families.template import Spec

named = partial(Naming, family="port", modules={0: "stem", 3: "head.out"})


def test_a_name_is_the_path_of_a_layer_and_that_of_an_array():
    naming = named()
    assert naming.tensor(0, "conv.weight") == "stem.conv.weight"
    assert naming.tensor(3, "bn.running_mean") == "head.out.bn.running_mean"


@pytest.mark.parametrize("layer", [1, 4])
def test_a_layer_without_a_place_has_no_name(layer):
    assert named().tensor(layer, "conv.weight") == ""
    assert named(prefix="model.").tensor(layer, "conv.weight") == ""


def test_a_part_has_a_path_of_its_own():
    naming = named(parts={0: {"conv": "a.0", "bn": "b.1"}})
    assert naming.tensor(0, "conv.weight") == "a.0.weight"
    assert naming.tensor(0, "bn.running_var") == "b.1.running_var"
    assert naming.tensor(3, "bn.weight") == "head.out.bn.weight"
    alone = named(parts={3: {"conv": "head.out"}})
    assert alone.tensor(3, "conv.bias") == "head.out.bias"
    assert alone.tensor(0, "conv.bias") == "stem.conv.bias"


def test_a_prefix_stands_before_every_name():
    naming = named(prefix="model.", parts={0: {"conv": "a.0"}, 3: {"conv": "head.out"}})
    assert naming.tensor(0, "conv.weight") == "model.a.0.weight"
    assert naming.tensor(3, "conv.weight") == "model.head.out.weight"


def test_only_the_kernel_of_the_linear_layer_is_a_matrix():
    naming = named(linear=3)
    assert naming.shape(3, (7, 64, 1, 1)) == (7, 64)
    assert naming.shape(3, (7,)) == (7,)
    assert naming.shape(0, (7, 64, 1, 1)) == (7, 64, 1, 1)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("head.anchors", True),
        ("head.anchors.0", False),  # the whole name, not its beginning
        ("old.head.anchors", False),
        ("head_anchors", False),
        ("model.head.anchors", True),
    ],
)
def test_an_extra_tensor_is_known_by_its_whole_name(name, extra):
    assert named(prefix="model.", extras=r"head\.anchors").is_extra(name) is extra


def test_without_extras_nothing_is_one():
    assert not named().is_extra("head.anchors")
    assert not named().is_extra("")


@pytest.mark.parametrize(
    ("spec", "model"),
    [
        (None, "DarknetModel"),
        (Spec(levels=3, merge_channels=(128, 256)), "YOLOv3"),
        (Spec(levels=0, merge_channels=()), "Darknet53"),
    ],
)
def test_the_class_that_has_these_names(spec, model):
    assert named(spec=spec).model == model


def test_a_modular_model_needs_its_spec():
    spec = Spec(levels=3, merge_channels=(128, 256))
    assert named(spec=spec).require_spec() is spec
    with pytest.raises(FamilyError, match="names of family port are those of no modular YOLOv3"):
        named().require_spec()


def test_a_scheme_is_native_and_goes_back_unless_it_says_otherwise():
    family = Family(name="port", summary="a port's", name_layers=lambda network: named())
    assert (family.native, family.one_way, family.recognise) == (True, None, None)
