"""What a network keeps of the cfg that it was read from."""

from dataclasses import replace
from pathlib import Path

import nets
import pytest
from one_feature import conv, network, section

from converter.darknet import network as network_module
from converter.darknet.layers import LAYERS, Shape
from converter.darknet.network import (
    build_network,
    crashes,
    parse_network,
    read_cfg,
    read_network,
    render_cfg,
    reread,
)
from converter.darknet.nodes import Net
from converter.errors import CfgError, NetworkError


def test_remarks_are_by_line_whoever_makes_them():
    text = network(
        conv(filters=6, pad=""),
        section("yolo", classes=1, num=1, anchors="1,2,3,4", ignore_thresh=""),
        section("route", layers="-1,", stride=""),
    )
    found = [(remark.line, remark.text.split()[0]) for remark in parse_network(text).remarks]
    # the convolution is in lines 8 to 13, the head in 15 to 19, the route in 21 to 23
    assert found == [
        (12, "pad="),
        (18, "anchors=1,2,3,4"),
        (19, "ignore_thresh="),
        (22, "layers=-1,"),
        (23, "stride="),
    ]


def test_an_option_that_does_not_count_is_not_remarked_upon():
    text = network(conv(filters=6), "[route]\nlayers=-1\nlayers=-1,,\nnames=a,,b\n")
    assert parse_network(text).remarks == ()


def test_a_network_that_does_not_fit_tells_what_else_is_wrong():
    with pytest.raises(NetworkError) as refusal:
        parse_network(network(conv(filters=""), conv(groups=2)))
    assert str(refusal.value) == (
        "layer 1 [convolutional], line 15: groups=2 does not divide its 1 input channels"
        " (correct the cfg; cfg line 9: filters= has no value: the engines skip the line)"
    )


@pytest.mark.engine
def test_the_official_cfgs_give_rise_to_no_remark():
    cfgs = list(Path("/usr/share/darknet/cfg").glob("*.cfg"))
    assert len(cfgs) == 45
    for path in cfgs:
        assert read_network(path).remarks == (), path


YOLO = {"num": 1, "classes": 1, "anchors": "4,6"}


def two_heads(*, coarse_first: bool) -> str:
    """Heads on maps of 4 x 4 and of 8 x 8."""
    fine = (conv(filters=6), section("yolo", **YOLO))
    coarse = (conv(filters=6, stride=2), section("yolo", **YOLO))
    back = section("route", layers=0)
    order = (*coarse, back, *fine) if coarse_first else (*fine, back, *coarse)
    return network(conv(filters=6), *order, height=8, width=8)


@pytest.mark.parametrize("coarse_first", [True, False])
def test_levels_run_fine_to_coarse_whatever_their_order_in_the_file(coarse_first):
    found = parse_network(two_heads(coarse_first=coarse_first))
    assert [node.output.h for node in found.levels] == [8, 4]
    assert [node.output.h for node in found.outputs] == ([4, 8] if coarse_first else [8, 4])
    assert found.strides == [1, 2]
    assert found.anchors == [[(4.0, 6.0)], [(4.0, 6.0)]]
    assert found.in_file_order(["fine", "coarse"]) == (
        ["coarse", "fine"] if coarse_first else ["fine", "coarse"]
    )


NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"  # lines 1 to 4
CONV = "[convolutional]\nfilters=4\nsize=1\n"  # lines 5 to 7


def refusal(text, dialect=None) -> str:
    with pytest.raises((CfgError, NetworkError)) as caught:
        parse_network(text, dialect)
    return str(caught.value)


class TestFiles:
    def test_a_refusal_has_the_files_name(self, tmp_path):
        path = tmp_path / "x.cfg"
        for text in (NET + "[nonsense]\n", NET):
            path.write_text(text)
            for dialect in (None, "pjreddie"):
                with pytest.raises((CfgError, NetworkError)) as caught:
                    read_network(path, dialect)
                assert caught.value.path == str(path)

    def test_it_is_read_as_the_engine_reads_it(self, tmp_path):
        path = tmp_path / "x.cfg"
        path.write_text(NET + CONV + "dilation=2\n")  # which pj's engine does not read
        assert read_network(path).nodes[0].layer.dilation == 2
        found = read_network(path, "pjreddie")
        assert (found.nodes[0].layer.dilation, found.dialect) == (1, "pjreddie")
        assert found.text == read_cfg(path) == path.read_text()

    def test_a_file_that_is_too_large_or_missing(self, tmp_path, monkeypatch):
        path = tmp_path / "x.cfg"
        path.write_text(NET + CONV)
        monkeypatch.setattr(network_module, "MAX_CFG_BYTES", len(NET + CONV))
        assert read_cfg(path) == NET + CONV
        monkeypatch.setattr(network_module, "MAX_CFG_BYTES", len(NET + CONV) - 1)
        with pytest.raises(CfgError, match="is larger than"):
            read_cfg(path)
        with pytest.raises(CfgError, match="cannot be read: No such file"):
            read_cfg(tmp_path / "none")


class TestReadAgain:
    TEXT = NET + CONV + "dilation=2\n"

    def test_by_another_engine(self):
        every = parse_network(self.TEXT)
        assert reread(every, None) is every
        pj = reread(every, "pjreddie")
        assert (pj.dialect, pj.nodes[0].layer.dilation) == ("pjreddie", 1)
        assert reread(pj, "pjreddie") is pj
        assert reread(pj, "alexeyab").nodes[0].layer.dilation == 2
        assert reread(pj, None).nodes[0].layer.dilation == 2

    def test_one_without_a_text_stays_what_it_is(self):
        bare = replace(parse_network(self.TEXT), text="")
        assert reread(bare, "pjreddie") is bare

    def test_what_the_engine_does_not_take(self):
        with pytest.raises(CfgError, match=r"hank-ai's darknet does not know \[reorg\]"):
            reread(parse_network(NET + "[reorg]\nstride=2\n"), "hank-ai")


class TestRefusals:
    def test_no_layers(self):
        assert refusal(NET) == "line 1: has no layers after [net]"
        with pytest.raises(NetworkError) as caught:
            build_network(Net(line=7, width=8, height=8, channels=3), [], "")
        assert str(caught.value) == "line 7: has no layers after [net]"

    def test_no_size(self):
        assert refusal("# a comment\n[net]\n" + CONV) == (
            "line 2: [net] has no width=, height= and channels= (correct the cfg)"
        )

    def test_the_first_layer_that_does_not_fit(self):
        text = NET + CONV + "[convolutional]\nsize=9\n[convolutional]\nsize=99\n"
        assert refusal(text) == (
            "layer 1 [convolutional], line 8: leaves nothing: its output would be 1 x 0 x 0"
            " (correct the cfg)"
        )

    def test_what_the_engine_refuses(self):
        text = NET + CONV + CONV + "[shortcut]\nfrom=-2\nweights_type=per_feature\n"
        assert refusal(text, "alexeyab") == (
            "layer 2 [shortcut], line 11: AlexeyAB's darknet does not take it:"
            " weights_type=per_feature needs weights_normalization=relu or softmax (correct the"
            " cfg, or name the engine that it is for with dialect=)"
        )
        assert parse_network(text).dialect is None

    def test_maps_that_an_engine_does_not_add(self):
        """AB parser.c:979; pj blas.c:68 adds every second pixel."""
        text = NET + CONV + CONV + "stride=2\n[shortcut]\nfrom=-2\n"
        assert parse_network(text, "pjreddie").nodes[2].output == Shape.image(4, 4, 4)
        said = refusal(text, "alexeyab")
        assert said.startswith("layer 2 [shortcut], line 12: AlexeyAB's darknet does not take it: ")

    def test_maps_that_do_not_meet_have_sizes_that_would(self):
        text = "[net]\nwidth=11\nheight=12\nchannels=3\n" + CONV + CONV + "stride=2\n"
        text += "[upsample]\nstride=2\n[route]\nlayers=-1,0\n" + CONV
        assert refusal(text).endswith("(the next sizes that fit are width=10 or width=12)")

    @pytest.mark.parametrize(("width", "height"), [(32, 33), (33, 32), (48, 48)])
    def test_a_size_that_a_strict_engine_does_not_take(self, width, height):
        head = "[convolutional]\nfilters=6\n[yolo]\nmask=0\nanchors=1,2\nclasses=1\nnum=1\n"
        text = f"# x\n[net]\nwidth={width}\nheight={height}\nchannels=3\n{head}"
        assert refusal(text, "hank-ai") == (
            f"line 2: hank-ai's darknet does not take width={width} and height={height} (make both"
            " a multiple of 32, as its [yolo] demands)"
        )
        parse_network(text, "alexeyab")
        parse_network(text + "[route]\nlayers=-2\n", "hank-ai")  # it only looks at the last
        parse_network(text.replace(f"={width}", "=64").replace(f"={height}", "=64"), "hank-ai")

    def test_a_file_that_was_appended_to_itself(self):
        assert refusal(NET + CONV + NET + CONV) == (
            "line 8: holds the same network again: it was appended to itself (delete everything"
            " from line 8 on)"
        )
        assert refusal(NET + CONV + NET + CONV + "pad=1\n") == (
            "line 8: holds a second network (keep what is before line 8 or what follows)"
        )
        assert "the same network again" in refusal(NET + CONV + CONV + NET + CONV)  # cut off
        assert "a second network" in refusal(NET + CONV + NET + CONV + CONV)

    def test_layers_that_were_appended(self):
        # The second half begins where its input has another size.
        layers = "[convolutional]\nfilters=4\nsize=5\n[convolutional]\nfilters=4\nsize=3\n"
        assert refusal(NET + layers + layers) == (
            "layer 2 [convolutional], line 11: leaves nothing: its output would be 4 x -2 x -2"
            " (from line 11 on the layers repeat: delete those)"
        )
        twice = "[convolutional]\nfilters=4\nsize=5\n" * 2
        assert refusal(NET + twice).endswith("(correct the cfg)")  # one layer twice is no sign

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("convolution", "[convolution] is not a layer that can be converted (did you mean"
             " [convolutional]?)"),
            ("implicit_add", "[implicit_add] is a layer of WongKinYiu's ports (yolor@c58bad1"
             " models/models.py), which no darknet has (keep the checkpoint in that port)"),
        ],
    )  # fmt: skip
    def test_a_section_that_nobody_knows(self, name, said):
        assert refusal(f"{NET}{CONV}[{name}]\n") == f"line 8: {said}"

    def test_without_a_likely_name_all_are_listed(self):
        said = refusal(NET + CONV + "[xyz]\n")
        assert said.startswith(
            "line 8: [xyz] is not a layer that can be converted (known are Gauss"
        )
        assert said.endswith(", softmax, upsample, yolo)")


class TestCrashes:
    FLAT = "[net]\ninputs=4\n[connected]\noutput=3\n"

    def test_an_engine_that_divides_by_the_number_of_maps(self):
        """AB parser.c:1679, 1751."""
        network = parse_network(self.FLAT)
        (problem,) = crashes(network, "alexeyab")
        assert str(problem) == (
            "line 1: AlexeyAB's darknet divides by the number of layers with maps, and there are"
            " none"
        )
        assert list(crashes(network, "pjreddie")) == []
        assert list(crashes(parse_network(NET + CONV), "alexeyab")) == []

    @pytest.mark.parametrize(("height", "width", "count"), [(1, 8, 1), (8, 1, 1), (2, 2, 0)])
    def test_a_map_has_more_than_a_row_and_a_column(self, height, width, count):
        text = f"[net]\nwidth={width}\nheight={height}\nchannels=3\n{CONV}"
        assert len(list(crashes(parse_network(text), "alexeyab"))) == count


class TestFacts:
    def test_floats(self):
        network = parse_network(NET + CONV + "[batchnorm]\n[convolutional]\ndontload=1\n")
        # 4 biases and 4 * 3 weights; scales, means and variances of 4; AB has biases, too
        assert (network.floats, network.floats_of("alexeyab")) == (16 + 12, 16 + 16)

    @pytest.mark.parametrize(
        ("body", "classes"),
        [
            (CONV, None),
            ("[avgpool]\n[softmax]\n", 3),
            ("[connected]\noutput=7\n[softmax]\n[cost]\n", 7),
            ("[convolutional]\nfilters=14\n[yolo]\nclasses=2\nnum=2\nanchors=1,2,3,4\n", 2),
        ],
    )
    def test_classes(self, body, classes):
        assert parse_network(NET + body).classes == classes

    def test_without_heads_the_last_output_counts(self):
        network = parse_network(NET + CONV + "[softmax]\n[cost]\n")
        assert [node.index for node in network.outputs] == [1]
        assert (network.strides, network.anchors) == ([], [])
        cost = parse_network(NET + "[cost]\n")
        assert [node.index for node in cost.outputs] == [0]

    def test_what_was_read_is_kept(self):
        text = NET + CONV + "dilation=2\n"
        network = parse_network(text, "pjreddie")
        assert [option.key for option in network.skipped] == ["dilation"]
        assert [section.type for section in network.sections] == ["net", "convolutional"]
        assert (network.net.width, network.input) == (8, Shape.image(3, 8, 8))

    def test_a_wrong_count_of_maps(self):
        with pytest.raises(ValueError, match="zip"):
            parse_network(NET + CONV).in_file_order([1, 2])


class TestCfgText:
    def test_what_differs_from_the_default_is_written(self):
        text = NET + "\n[convolutional]\nfilters=4\nactivation=leaky\n\n[shortcut]\nfrom=-1\n"
        text += "\n[yolo]\nclasses=1\nnum=2\nmask=0,1\nanchors=1.5,2,3,0.333333343\n"
        text = text.replace("filters=4", "filters=12")
        found = parse_network(text)
        written = render_cfg(found.net, [node.layer for node in found.nodes])
        again = parse_network(written)
        assert [node.layer for node in again.nodes] == [node.layer for node in found.nodes]
        assert written.count("[") == 4
        assert "from=-1\n" in written
        assert "mask=0,1\n" in written
        assert "anchors=1.5,2,3,0.333333343\n" in written
        assert "size=" not in written

    def test_byte_by_byte(self):
        net = Net(width=8, height=9, channels=3)
        layers = [LAYERS["convolutional"](filters=4, line=7), LAYERS["maxpool"](size=2)]
        assert render_cfg(net, layers) == (
            "[net]\nheight=9\nwidth=8\nchannels=3\n\n[convolutional]\nfilters=4\n\n[maxpool]\n"
            "size=2\n"
        )
        stated = render_cfg(net, layers[:1], ["size"])
        assert stated.endswith("[convolutional]\nfilters=4\nsize=1\n")


def test_the_stride_of_the_coarsest_map():
    """Five strides of 2 in each detector; a softmax keeps no rows and columns."""
    assert parse_network(nets.tiny(1, 2, size=64)).coarsest_stride == 32
    assert parse_network(nets.yolov3(1, 2, size=64)).coarsest_stride == 32
    assert parse_network(nets.classifier(1, 5, size=64)).coarsest_stride == 0
