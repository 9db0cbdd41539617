"""What a checkpoint is: by its metadata, by a cfg, or by the names and shapes of its tensors."""

import nets
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from converter import convert
from converter.checkpoint.header import read_contents
from converter.checkpoint.metadata import NetworkUnknown
from converter.darknet.network import parse_network
from converter.diagnosis import architectures
from converter.diagnosis.architectures import Architecture
from converter.errors import FamilyError, NetworkError
from converter.families import FAMILIES
from converter.families.base import Family, Naming
from converter.identify_checkpoint import identify_checkpoint, open_checkpoint
from converter.version import TOOL


@pytest.fixture
def bare(toy):
    """A checkpoint of generic names without metadata."""
    made = convert(toy.weights).output
    save_file(load_file(made), made)
    return made


def identified(path, *arguments, **options):
    return identify_checkpoint(read_contents(path), *arguments, **options)


class TestByItsMetadata:
    def test_it_says_its_network_itself(self, toy):
        stored, how = identified(convert(toy.weights).output)
        assert how == f"the network that {TOOL} wrote into it"
        assert stored.network.text == toy.text
        assert stored.metadata.family == "generic"

    def test_nothing_of_that_is_logged(self, toy, caplog):
        caplog.set_level("INFO", "converter")
        made = convert(toy.weights).output
        caplog.clear()
        assert open_checkpoint(made).network.text == toy.text
        assert caplog.messages == []


class TestByACfg:
    def test_the_cfg_that_is_given(self, bare, toy, caplog):
        stored, how = identified(bare, toy.cfg)
        assert how == str(toy.cfg)
        assert (stored.claims, stored.plan.naming.family) == (None, "generic")
        caplog.set_level("INFO", "converter")
        open_checkpoint(bare, toy.cfg)
        assert caplog.messages == ["family: generic, by the names of its tensors"]

    def test_the_engine_that_is_named(self, toy, bare):
        assert identified(bare, toy.cfg)[0].plan.dialect == "pjreddie"
        assert identified(bare, toy.cfg, "alexeyab")[0].plan.dialect == "alexeyab"

    def test_a_cfg_that_is_no_network(self, bare, toy):
        toy.cfg.write_text("[net]\n[convolutional]\n")
        with pytest.raises(NetworkError, match="has no width="):
            identified(bare, toy.cfg)


def known(monkeypatch, text):
    """Have ``text`` be the one published network."""
    network = parse_network(text)
    layers = [node.layer for node in network.nodes]
    one = Architecture(
        name="small", size=network.net.width, layers=lambda classes: layers, base=network.floats,
        classes=0,
    )  # fmt: skip
    monkeypatch.setattr(architectures, "ARCHITECTURES", (one,))


class TestByItsTensors:
    def test_as_many_values_as_a_published_network(self, bare, toy, monkeypatch, caplog):
        known(monkeypatch, toy.text)
        caplog.set_level("INFO", "converter")
        stored = open_checkpoint(bare)
        assert stored.plan.naming.family == "generic"
        assert not stored.unpublished
        assert caplog.messages == [
            "network: small, recognised by the names and the 134 values of its tensors; anchors and"
            " input size (8) are assumed to be as published",
            "family: generic, by the names of its tensors",
        ]

    def test_what_is_no_array_of_a_network_is_not_counted(self, bare, toy, monkeypatch):
        known(monkeypatch, toy.text)
        counters = {"layers.0.bn.num_batches_tracked": np.array(7)}
        save_file({**load_file(bare), **counters}, bare)
        assert identified(bare)[0].network.floats == 134

    def test_another_shape_of_as_many_values(self, bare, toy, monkeypatch):
        known(monkeypatch, toy.text)
        tensors = dict(load_file(bare))
        name = "layers.0.conv.weight"
        save_file({**tensors, name: tensors[name].reshape(3, 4, 3, 3)}, bare)
        with pytest.raises(NetworkUnknown):
            identified(bare)

    def test_a_network_that_nobody_knows(self, bare):
        with pytest.raises(NetworkUnknown) as caught:
            identified(bare)
        assert caught.value.path == str(bare)


class TestByASchemesOwnKnowledge:
    """A scheme that recognises its networks without any cfg."""

    @pytest.fixture
    def port(self, monkeypatch):
        monkeypatch.setattr(FAMILIES, "_found", dict(FAMILIES._found))

        def registered(recognise):
            def name_layers(network):
                names = {node.index: f"layers.{node.index}" for node in network.nodes}
                return Naming(family="port", modules=names)

            FAMILIES.register(
                Family(name="port", summary="a port's net", name_layers=name_layers, native=False,
                       recognise=recognise)
            )  # fmt: skip

        return registered

    def test_its_network(self, bare, toy, port):
        port(lambda tensors: parse_network(toy.text) if len(tensors.shapes) == 7 else None)
        stored, how = identified(bare)
        assert (stored.plan.naming.family, stored.unpublished) == ("port", True)
        assert how == (
            "a port's net, with None classes, recognised by the names and shapes of its tensors;"
            " the input size (8x8) is assumed"
        )

    def test_it_may_ask_for_values(self, bare, toy, port):
        seen = []

        def recognise(tensors):
            seen.append(tensors.array("layers.1.conv.bias"))
            return parse_network(toy.text)

        port(recognise)
        identified(bare)
        np.testing.assert_array_equal(seen, [load_file(bare)["layers.1.conv.bias"]])

    def test_only_the_scheme_that_is_named_is_asked(self, bare, toy, port):
        port(lambda tensors: parse_network(toy.text))
        assert identified(bare, family="port")[0].plan.naming.family == "port"
        with pytest.raises(NetworkUnknown):
            identified(bare, family="generic")

    def test_what_it_cannot_be_is_said_with_the_files_name(self, bare, port):
        def recognise(tensors):
            raise FamilyError("is a network of tomorrow")

        port(recognise)
        with pytest.raises(FamilyError) as caught:
            identified(bare)
        assert str(caught.value) == f"{bare}: is a network of tomorrow"

    def test_shapes_that_are_not_its_networks(self, bare, toy, port):
        other = parse_network(toy.text.replace("filters=2", "filters=3"))
        port(lambda tensors: other)
        with pytest.raises(NetworkUnknown):
            identified(bare)


def test_where_in_a_pickle_the_tensors_are_is_logged(make, caplog):
    files = make(nets.tiny(1, 2, size=64))
    made = convert(files.weights, files.weights.with_name("x.pt"), family="pytorchyolo").output
    torch.save({"epoch": 3, "model": torch.load(made)}, made)
    caplog.set_level("INFO", "converter")
    caplog.clear()
    open_checkpoint(made, files.cfg)
    assert caplog.messages == [
        "tensors: those under model", "family: pytorchyolo, by the names of its tensors",
    ]  # fmt: skip
