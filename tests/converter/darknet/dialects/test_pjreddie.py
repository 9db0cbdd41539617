"""What pjreddie's darknet reads."""

import pytest

from converter.darknet.dialects import pjreddie


@pytest.mark.parametrize(
    ("section", "option", "kind"),
    [
        # pj parser.c:179-186, 306-342, 841-849
        ("convolutional", "filters", "int"),
        ("convolutional", "activation", "str"),
        ("convolutional", "dilation", None),
        ("yolo", "anchors", "floats"),
        ("yolo", "mask", "ints"),
        ("yolo", "scale_x_y", None),
        ("convolutional", "dontload", "int"),
        ("avgpool", "dontload", "int"),  # of every layer
        ("net", "dontload", None),  # and [net] is none
        ("net", "learning_rate", "float"),  # which it reads itself
        ("gelu", "size", None),
    ],
)
def test_the_options_that_it_reads(section, option, kind):
    assert pjreddie.DIALECT.kind(section, option) == kind


def test_its_activations():
    """The words of get_activation() in activations.c."""
    words = "elu hardtan leaky lhtan linear loggy logistic plse ramp relie relu selu stair tanh"
    assert pjreddie.DIALECT.activations == set(words.split())
