"""What AlexeyAB's darknet reads."""

import pytest

from converter.darknet.dialects import alexeyab, pjreddie


@pytest.mark.parametrize(
    ("section", "option", "kind"),
    [
        # AB parser.c:182-200, 466
        ("convolutional", "dilation", "int"),
        ("yolo", "scale_x_y", "float"),
        ("route", "group_id", "int"),
        ("convolutional", "numload", None),  # the word is nowhere in AB's sources
    ],
)
def test_the_options_that_it_reads(section, option, kind):
    assert alexeyab.DIALECT.kind(section, option) == kind


def test_its_activations():
    """The words of get_activation() in activations.c."""
    words = (
        "elu gelu hard_mish hardtan leaky lhtan linear loggy logistic mish normalize_channels"
        " normalize_channels_softmax normalize_channels_softmax_maxval plse ramp relie relu relu6"
        " revleaky selu stair swish tanh"
    )
    assert alexeyab.DIALECT.activations == set(words.split())


def test_its_sections_beside_pjreddies():
    # The words of string_to_layer_type() in parser.c
    ours, theirs = set(alexeyab.DIALECT.sections), set(pjreddie.DIALECT.sections)
    assert theirs - ours == {"deconvolutional", "iseg", "l2norm", "logistic"}
    assert ours - theirs >= {"Gaussian_yolo", "conv_lstm", "sam", "scale_channels", "reorg3d"}
