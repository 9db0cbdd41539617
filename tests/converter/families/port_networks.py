"""Small networks of every kind that a port has a place for, and what a port makes of one."""

from pathlib import Path

import nets
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter import FamilyError, convert, revert
from converter.darknet.network import parse_network
from converter.families import name_layers

TABLES = Path(__file__).parents[2] / "data" / "ports"

# At width 1 a residual block of the first stage has one channel.
YOLOV3 = nets.yolov3(1, 2, size=64)
SPP = nets.yolov3(1, 2, size=64, spp=True)
TINY = nets.tiny(1, 2, size=64)
YOLOV4 = nets.yolov4(2, 2, size=64)
CLASSIFIER = nets.classifier(1, 5, size=64)
BACKBONE = "\n".join([nets.net(64), *nets.darknet53(1)])

SUFFIXES = ("weight", "bias", "running_mean", "running_var")


def names(text, family):
    """(layer, Darknet's name in the layer's own module) -> tensor."""
    network = parse_network(text)
    naming = name_layers(network, family)
    return {
        (node.index, array.suffix): naming.tensor(node.index, array.suffix)
        for node in network.nodes
        for array in node.layer.arrays(node.inputs, "pjreddie")
    }


def names_at(places, text, family):
    """Those of ``names`` at some places."""
    found = names(text, family)
    return {place: found[place] for place in places}


def found_by_value(table):
    """The same as ``names`` by the port's own loader: tests/data/README.md."""
    found = {}
    for line in (TABLES / f"{table}.txt").read_text().splitlines():
        index, convolution, *norms = line.split()
        arrays = {"conv.weight": f"{convolution}.weight"}
        if norms:
            arrays |= {f"bn.{suffix}": f"{norms[0]}.{suffix}" for suffix in SUFFIXES}
        else:
            arrays["conv.bias"] = f"{convolution}.bias"
        found |= {(int(index), suffix): tensor for suffix, tensor in arrays.items()}
    return found


def refusal(text, family):
    """The layer at which a network is refused, "" where it is none, and why."""
    with pytest.raises(FamilyError) as caught:
        name_layers(parse_network(text), family)
    assert caught.value.remedy == "family='generic' converts it"
    return (caught.value.place or "").partition(", line")[0], caught.value.message


def warning(files, family, caplog):
    """What must be known of a port's checkpoint: it is logged, and stands in the result."""
    (said,) = convert(files.weights, family=family).as_dict()["warnings"]
    assert said["text"] in caplog.text
    return said["text"]


def require_passed_over(constants, files, family, shell):
    """Demand that tensors of these names, which no array becomes, change nothing.

    Args:
        constants: their names.
        files: of the network.
        family: the port.
        shell: before every name: what a wrapper such as ``DataParallel`` adds.
    """
    import torch  # late: the names of a port need no PyTorch

    from yolov3 import load

    made = convert(files.weights, family=family).output
    tensors = {**load_file(made), **{name: np.ones(6, "<f2") for name in constants}}
    save_file({f"{shell}{name}": tensor for name, tensor in tensors.items()}, made)
    back = files.weights.with_name("back.weights")
    plan = revert(made, back, cfg=files.cfg).plan
    assert (plan.naming.family, plan.naming.prefix) == (family, shell)
    assert back.read_bytes()[20:] == files.weights.read_bytes()[20:]
    ours = convert(files.weights, files.weights.with_name("native.safetensors")).output
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pairs = zip(load(ours)(x), load(made, cfg=files.cfg)(x), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
