"""What all layers share: the shapes between them, and how they name one another."""

import pytest
from one_feature import conv, section

from converter.darknet.layers.base import Misfit, Shape, absolute
from tests.converter.darknet.layers.small_networks import refusal


def test_an_image_is_refused_where_only_a_count_is_known():
    assert "needs an image, and gets 390 values" in refusal(section("softmax"), conv())


def test_the_sides_of_an_output_are_known_or_it_is_flat():
    image, flat = Shape.image(3, 10, 13), Shape(390)
    assert image.outputs == flat.outputs == 3 * 10 * 13
    assert (image.is_image, image.sides, str(image)) == (True, (3, 10, 13), "3 x 10 x 13")
    assert (flat.is_image, flat.sides, str(flat)) == (False, (390,), "390")


def test_a_negative_reference_counts_from_the_layer_itself():
    # pj parser.c:542, 617: if(index < 0) index = params.index + index
    assert [absolute(5, reference) for reference in (-1, -5, 0, 4)] == [4, 0, 0, 4]


@pytest.mark.parametrize(("reference", "target"), [(-6, -1), (5, 5), (6, 6)])
def test_only_an_earlier_layer_can_be_named(reference, target):
    with pytest.raises(Misfit, match=f"refers to layer {target}, which is not before it"):
        absolute(5, reference)
