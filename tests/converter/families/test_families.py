"""Which networks are a YOLOv3, and which names their layers get."""

import nets
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.darknet.network import parse_network
from converter.errors import FamilyError
from converter.families import article, name_layers, yolov3


def spec(text):
    return yolov3.name_layers(parse_network(text)).spec


def test_naming_by_a_schemes_name_gives_that_scheme():
    network = parse_network(nets.yolov3(2, 3, size=96))
    for name in ("yolov3", "article", "generic"):
        assert name_layers(network, name).family == name


def test_what_is_no_name_is_no_scheme():
    with pytest.raises(FamilyError, match="3 is no family of tensor names"):
        name_layers(parse_network(nets.yolov3(2, 3, size=96)), 3)


class TestYolov3:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"classes": 20},
            {"classes": 601, "size": 608},
            {"spp": True},
            {"levels": 4},
            {"levels": 5, "merge": (128, 128, 128, 256)},
            {"width": 2, "classes": 3, "size": 192},
            {"width": 8, "repeats": 1},
            {"width": 8, "repeats": 3, "spp": True},
            {"width": 4, "channels": 1},
        ],
    )
    def test_names_are_in_file_order(self, options):
        family = yolov3.name_layers(parse_network(nets.yolov3(**options)))
        levels, repeats = options.get("levels", 3), options.get("repeats", 2)
        expected = reference.yolov3_modules(levels, repeats, spp=options.get("spp", False))
        found = [name.removesuffix(".conv") if name.startswith("heads") else name
                 for name in family.modules.values()]  # fmt: skip
        assert found == expected
        assert list(family.modules) == sorted(family.modules)

    def test_the_spec_of_the_five_level_net(self):
        found = spec(nets.yolov3(levels=5, merge=(128, 128, 128, 256)))
        assert found.levels == 5
        assert found.merge_channels == (128, 128, 128, 256)
        assert found.channels == (64, 128, 256, 512, 1024)

    def test_the_backbone(self):
        found = spec(nets.classifier(classes=10))
        assert (found.levels, found.classes, found.backbone) == (0, 10, "classifier and softmax")
        found = spec("\n".join([nets.net(64), *nets.darknet53(4)]))
        assert (found.levels, found.width, found.backbone) == (0, 4, "features")

    # One change to a net like yolov3.cfg each, and the layer at which it shows.
    @pytest.mark.parametrize(
        ("old", "new", "place"),
        [
            ("filters=4\nsize=3\nstride=2", "filters=5\nsize=3\nstride=2", "layer 1 "),
            ("from=-3\nactivation=linear", "from=-3\nactivation=leaky", "layer 4 "),
            ("layers=-1,61", "layers=61,-1", "layer 86 "),
            ("layers=-1,36", "layers=-1,35", "layer 98 "),
            ("layers=-4", "layers=-2", "layer 83 "),
            ("stride=2\n\n[route]\nlayers=-1,61", "stride=2\nscale=2\n\n[route]\nlayers=-1,61",
             "layer 85 "),
            ("mask=6,7,8", "mask=5,6,7,8", "layer 81 "),
            ("mask=3,4,5\n", "mask=3,4,5\nscale_x_y=1.05\n", "layer 94 "),
            ("mask=0,1,2\n", "mask=0,1,2\nnew_coords=1\n", "layer 106 "),
        ],
    )  # fmt: skip
    def test_one_deviation_is_named(self, old, new, place):
        text = nets.yolov3(2, 3, size=96)
        assert old in text
        if "mask=5,6,7,8" in new:
            # four anchors need four thirds of the filters of that head
            text = text.replace("filters=24", "filters=32", 1)
        with pytest.raises(FamilyError, match="is not a YOLOv3") as caught:
            yolov3.name_layers(parse_network(text.replace(old, new, 1)))
        assert caught.value.place.startswith(place)

    def test_layers_after_the_last_head(self):
        text = nets.yolov3(2, 3, size=96) + "\n" + nets.conv(4, 1)
        with pytest.raises(FamilyError, match="has 108 layers"):
            yolov3.name_layers(parse_network(text))

    def test_padding_may_be_written_in_two_ways(self):
        text = nets.yolov3(2, 3, size=96).replace("size=3\nstride=1\npad=1", "size=3\npadding=1")
        assert yolov3.name_layers(parse_network(text)).family == "yolov3"

    def test_a_route_may_be_absolute(self):
        text = nets.yolov3(2, 3, size=96).replace("layers=-4", "layers=79", 1)
        assert yolov3.name_layers(parse_network(text)).family == "yolov3"

    @settings(max_examples=20, deadline=None)
    @given(
        width=st.integers(1, 6).map(lambda n: 2 * n),
        classes=st.integers(1, 30),
        levels=st.integers(3, 5),
        repeats=st.integers(1, 3),
        spp=st.booleans(),
        data=st.data(),
    )
    def test_the_template_is_the_network(self, width, classes, levels, repeats, spp, data):
        merge = tuple(data.draw(st.lists(st.integers(1, 9), min_size=levels - 1,
                                         max_size=levels - 1)))  # fmt: skip
        text = nets.yolov3(
            width, classes, size=64, levels=levels, repeats=repeats, spp=spp, merge=merge
        )
        found = spec(text)
        assert (found.width, found.classes, found.levels) == (width, classes, levels)
        assert (found.num_repeats, found.spp, found.merge_channels) == (repeats, spp, merge)


class TestArticle:
    def test_lateral_and_merge_convs_have_no_place(self):
        family = article.name_layers(parse_network(nets.yolov3(2, 3, size=96)))
        assert not {75, 84, 87, 96, 99} & set(family.modules)
        assert family.unfilled["backbone.fc.2.weight"] == (1000, 64)
        assert family.unfilled["fpn.lateral_convs.2.weight"] == (32, 64, 1, 1)
        # 32 + 64 // 2 channels: the finer feature and half of the coarser one's
        assert family.unfilled["fpn.merge_convs.1.weight"] == (16, 64, 1, 1)

    @pytest.mark.parametrize("text", [nets.yolov3(2, 3, spp=True), nets.classifier(2)])
    def test_refusals(self, text):
        with pytest.raises(FamilyError):
            article.name_layers(parse_network(text))
