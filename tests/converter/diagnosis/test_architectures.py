"""Architectures recognised by nothing but the number of floats."""

from itertools import combinations

import nets
import pytest
import reference

from converter.darknet.layers.convolutional import Convolutional
from converter.darknet.network import parse_network
from converter.diagnosis import architectures
from converter.diagnosis.architectures import ARCHITECTURES, Architecture, fits, recognise
from converter.official import MAX_CLASSES, find_cfg, official_cfgs

# Floats of the published files: (bytes - header) / 4.
PUBLISHED = {
    "yolov3 with 80 classes": (248_007_048 - 20) // 4,
    "yolov3 with 20 classes": (246_714_648 - 20) // 4,
    "yolov3 with 601 classes": (259_229_388 - 20) // 4,
    "yolov3-spp with 80 classes": (252_209_544 - 20) // 4,
    "yolov3_5l with 80 classes": (249_599_104 - 20) // 4,
    "yolov3-tiny with 80 classes": (35_434_956 - 20) // 4,
    "darknet53.conv.74": (162_482_580 - 20) // 4,
    "darknet53": 40_620_640 + 1000 * 1024 + 1000,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files(name):
    (reading,) = recognise(PUBLISHED[name])
    assert str(reading) == name
    assert reading.network.floats == PUBLISHED[name]


@pytest.mark.parametrize("shift", [-1, 1])
def test_one_float_more_or_less_is_no_architecture(shift):
    assert recognise(PUBLISHED["yolov3 with 80 classes"] + shift) == []


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda known: known.name)
def test_a_count_is_that_of_the_network(architecture):
    fixed = architecture.classes
    for classes in (1, 2, 80) if fixed is None else (fixed,):
        text = architecture.network(classes).text
        assert architecture.floats(classes) == reference.floats(text)


def test_no_two_architectures_collide():
    counts = {}
    for architecture in ARCHITECTURES:
        if architecture.classes is None:
            classes = range(1, MAX_CLASSES + 1)
            counts[architecture.name] = set(map(architecture.floats, classes))
        else:
            counts[architecture.name] = {architecture.base}
    for (_, a), (_, b) in combinations(counts.items(), 2):
        assert not a & b


def test_two_readings_are_both_returned(monkeypatch):
    def toy(name, filters):
        # filters * 3 + filters floats, then 4 * classes * filters + 4 * classes
        def layers(classes):
            return [Convolutional(filters=filters), Convolutional(filters=4 * classes)]

        return Architecture(
            name=name, size=8, layers=layers, base=4 * filters, slope=4 * filters + 4
        )

    # 1 filter: 4 + 8 K; 3 filters: 12 + 16 K. So 44 floats are K = 5 and K = 2.
    monkeypatch.setattr(architectures, "ARCHITECTURES", (toy("narrow", 1), toy("wide", 3)))
    readings = recognise(44)
    assert [str(r) for r in readings] == ["narrow with 5 classes", "wide with 2 classes"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yolov3", nets.yolov3()),
        ("yolov3-spp", nets.yolov3(spp=True)),
        ("yolov3_5l", nets.yolov3(levels=5, merge=(128, 128, 128, 256))),
        ("darknet53", nets.classifier()),
    ],
)
def test_the_assumed_network_is_the_published_one(name, text):
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    assumed = architecture.network(architecture.classes or 80)
    published = parse_network(text)
    assert assumed.floats == published.floats == reference.floats(text)
    for ours, theirs in zip(assumed.nodes, published.nodes, strict=True):
        assert (ours.output, ours.sources) == (theirs.output, theirs.sources)


def test_rendered_text_parses_to_the_same_network():
    for architecture in ARCHITECTURES:
        made = architecture.network(architecture.classes if architecture.classes is not None else 7)
        again = parse_network(made.text)
        assert [n.layer for n in again.nodes] == [n.layer for n in made.nodes]
        assert again.net == made.net


class TestOfficialCfgs:
    """3 * (5 + K) * (C + 1) floats at each head that reads C channels, and those of the rest."""

    def test_a_count_fits_all_cfgs_that_have_it(self):
        (fit,) = fits(6_056_606 + 6_208 - 77 * 3 * (513 + 257))  # yolov4-tiny's, of 80 classes
        assert str(fit) == "yolov4-tiny.cfg, yolov4-tiny-custom.cfg of AlexeyAB's with 3 classes"
        assert fit.command == "python -m converter download --cfg yolov4-tiny --classes 3"
        assert fit.as_dict() == {
            "classes": 3,
            "cfgs": [
                {"repository": "AlexeyAB/darknet", "path": "cfg/yolov4-tiny.cfg"},
                {"repository": "AlexeyAB/darknet", "path": "cfg/yolov4-tiny-custom.cfg"},
            ],
            "command": "python -m converter download --cfg yolov4-tiny --classes 3",
        }

    def test_one_that_needs_no_change_is_first(self):
        """A Gaussian head has 9 instead of 5 values a box: as many floats with 4 classes less."""
        first, second = fits((248_007_048 - 20) // 4)
        assert str(first).startswith("yolov3.cfg, ")
        assert str(first).endswith(" with 80 classes")
        assert first.command == "python -m converter download --cfg yolov3"
        assert str(second) == "Gaussian_yolov3_BDD.cfg of AlexeyAB's with 76 classes"

    def test_a_network_without_classes_fits_as_it_is(self):
        (fit,) = fits(14_714_688)  # VGG-16's convolutions
        assert str(fit) == "vgg-conv.cfg of pjreddie's"
        assert fit.command == "python -m converter download --cfg vgg-conv"
        assert fit.as_dict()["classes"] is None

    def test_the_owner_is_named_where_it_must_be(self):
        cfg = find_cfg("AlexeyAB/go.test")
        (fit,) = fits(cfg.total)
        assert fit.command == "python -m converter download --cfg AlexeyAB/go.test"

    @pytest.mark.parametrize("floats", [0, 1, 134, 6_062_815])
    def test_another_count_fits_none(self, floats):
        assert fits(floats) == []

    def test_each_cfg_is_found_by_its_own_count(self):
        for cfg in official_cfgs():
            found = {each for fit in fits(cfg.total) for each in fit.cfgs}
            assert cfg in found
