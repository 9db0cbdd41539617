"""[local]: its arrays, and a padding that does not keep the size."""

from one_feature import section

from tests.converter.darknet.layers.small_networks import obstacle, written_out


def test_arrays_written_out():
    # pj parser.c:1292: a kernel for each of 8 x 11 places
    assert written_out("local") == ["biases bias 2x8x11", "weights weight 88x2x3x3x3"]


def test_a_padding_that_does_not_keep_the_size_converts_but_does_not_run():
    assert "size=5 with pad=1" in obstacle(section("local", size=5, pad=1))
