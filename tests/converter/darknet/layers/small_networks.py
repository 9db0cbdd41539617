"""Networks of a layer or two, and what is said of them: refusals, obstacles, arrays, remarks."""

import pytest
from one_feature import conv, network, section

from converter.darknet.dialects import DialectName
from converter.darknet.layers import Array
from converter.darknet.network import Network, parse_network
from converter.errors import NetworkError

# The last layer of each has arrays; it reads 3 x 10 x 13 values, or the two maps before it.
WITH_ARRAYS = {
    "connected": section("connected", output=2),
    "connected with batch norm": section("connected", output=2, batch_normalize=1),
    "convolutional": conv(filters=2),
    "convolutional with groups": conv(filters=3, groups=3),
    "convolutional, flipped": conv(filters=2, batch_normalize=1, flipped=1),
    "deconvolutional": section("deconvolutional", filters=2, size=3),
    "deconvolutional with batch norm": section(
        "deconvolutional", filters=2, size=3, batch_normalize=1
    ),
    "local": section("local", filters=2, size=3),
    "batchnorm": section("batchnorm"),
    "implicit": section("implicit", filters=2, atoms=4),
    "shortcut, per feature": (
        conv(filters=5) + conv() + section("shortcut", from_="0,1", weights_type="per_feature")
    ),
    "shortcut, per channel": (
        conv(filters=5) + conv() + section("shortcut", from_="0,1", weights_type="per_channel")
    ),
    "rnn": section("rnn", output=2, hidden=4),
}


def arrays_of_the_last(layers: str, dialect: DialectName = "alexeyab") -> list[Array]:
    *_, node = parse_network(network(layers)).nodes
    return list(node.layer.arrays(node.inputs, dialect))


def written_out(name: str) -> list[str]:
    """Darknet's name of each array of one of ``WITH_ARRAYS``, its name and shape in the module.

    And how the file holds it, where that is another order.
    """
    found = [
        f"{each.kind} {each.suffix} {'x'.join(map(str, each.shape))} {each.stored}"
        for each in arrays_of_the_last(WITH_ARRAYS[name])
    ]
    return [each.removesuffix(" as is") for each in found]


def norm_of(count: int) -> list[str]:
    """What ``written_out`` says of a batch norm's arrays, but for its biases."""
    names = {"scales": "weight", "rolling_mean": "running_mean", "rolling_variance": "running_var"}
    return [f"{kind} bn.{suffix} {count}" for kind, suffix in names.items()]


def kinds_in_file_order(layer: str, dialect: DialectName) -> str:
    """Darknet's names of a layer's arrays, or of the parts that they belong to."""
    found = [array.kind for array in arrays_of_the_last(layer, dialect)]
    return " ".join(kind.split()[0] for kind in found if kind.endswith("biases") or " " not in kind)


def refusal(*layers: str) -> str:
    """Why there is no such network; it names a line."""
    with pytest.raises(NetworkError, match="line ") as caught:
        parse_network(network(*layers))
    return str(caught.value)


def obstacle(*layers: str) -> str:
    """Why a network that can be converted cannot be run as AlexeyAB's engine does."""
    from yolov3.darknet import DarknetModel  # late: a refusal needs no PyTorch

    parsed = parse_network(network(*layers))
    assert parsed.floats_of("alexeyab") >= 0
    with pytest.raises(NetworkError) as caught:
        DarknetModel(parsed, "alexeyab")
    return str(caught.value)


def detector(kind: str, channels: int, **options: object) -> Network:
    """One head on a convolution: its section is in line 15, its options are in those behind."""
    return parse_network(network(conv(filters=channels), section(kind, **options)))


def remarks_of(parsed: Network) -> list[tuple[int | None, str]]:
    """Lines and texts; all of them are serious."""
    assert all(remark.serious for remark in parsed.remarks)
    return [(remark.line, remark.text) for remark in parsed.remarks]
