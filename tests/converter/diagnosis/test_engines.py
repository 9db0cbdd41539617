"""Which engines run a cfg, and whether as the same network.

What is expected is what pjreddie/darknet@f6afaab, AlexeyAB/darknet@59596d7 and hank-ai/darknet
@f684e1d did with the text.
"""

import pytest
from one_feature import conv, network, section

from converter.darknet.dialects import DIALECTS
from converter.diagnosis.engines import Engines, compare_engines
from converter.errors import CfgError

# [net] stands in line 1, its last option in 4; the head in 16 or, with {}, in 17.
DETECTOR = """\
[net]
width=64
height=64
channels=3
{}[convolutional]
filters=21
size=3
stride=8
pad=1
activation=leaky
[convolutional]
filters=21
size=1
stride=1
activation=linear
[yolo]
mask=0,1,2
anchors=10,10, 20,20, 40,40
classes=2
num=3
"""
NMS = "nms_kind=diounms\nbeta_nms=0.6\n"
SILU = DETECTOR.format("").replace("leaky", "silu") + NMS
SIZES = """\
[net]
width=64
height=64
channels=3
[convolutional]
filters=4
size=3
stride=1
pad=1
activation=linear
[convolutional]
filters=8
size=3
stride=2
pad=1
activation=mish
[shortcut]
from=-2
activation=linear
"""


def answers(engines: Engines) -> dict[str, str]:
    return {name: engines.verdicts[name].answer for name in DIALECTS}


def lines(engines: Engines, name: str) -> list[int | None]:
    return [reason.line for reason in engines.verdicts[name].reasons]


def words(engines: Engines, name: str) -> str:
    return " ".join(reason.text for reason in engines.verdicts[name].reasons)


def test_a_plain_cfg_runs_everywhere():
    engines = compare_engines(DETECTOR.format(""))
    assert answers(engines) == dict.fromkeys(DIALECTS, "runs")
    assert engines.reference == "pjreddie"
    assert not any(verdict.reasons for verdict in engines.verdicts.values())


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (DETECTOR.format("max_crop=80\n"), 5, "max_crop="),
        (DETECTOR.format("decay=5e-4\n"), 5, "decay=5e-4 for no number"),
        (DETECTOR.format("batch=1\nbatch=64\n"), 6, "batch= stands in line 5 already"),
        (DETECTOR.format("") + "stop_backward=1\n", 21, "stop_backward="),
        (DETECTOR.format("").replace("leaky", "silu"), 10, "activation=silu"),
    ],
)
def test_what_the_strict_engine_alone_refuses(text, line, said):
    engines = compare_engines(text)
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "runs", "hank-ai": "refuses"}
    assert lines(engines, "hank-ai") == [line]
    assert said in words(engines, "hank-ai")


def test_an_ignored_kind_of_overlap_is_no_other_network():
    # It chooses among the boxes alone. HK darknet.cpp:1422; pj reads no such key.
    engines = compare_engines(DETECTOR.format("") + NMS)
    assert engines.reference == "alexeyab"
    assert answers(engines) == dict.fromkeys(DIALECTS, "runs")
    for name in ("pjreddie", "hank-ai"):
        assert lines(engines, name) == [16]
        assert "nms_kind=diounms" in words(engines, name)
    assert lines(engines, "alexeyab") == []


def test_silu_is_relu_in_the_engines_that_run_it():
    engines = compare_engines(SILU)
    for name in ("pjreddie", "alexeyab"):
        assert engines.verdicts[name].answer == "runs"
        assert 10 in lines(engines, name)
        assert "takes relu for activation=silu" in words(engines, name)


def test_a_shortcut_between_unequal_maps_runs_in_the_first_engine_alone():
    engines = compare_engines(SIZES)
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "refuses", "hank-ai": "refuses"}
    # mish is AlexeyAB's, who refuses: so the first that takes it is the reference
    assert engines.reference == "pjreddie"
    assert "takes relu" in words(engines, "pjreddie")
    for name in ("alexeyab", "hank-ai"):
        assert lines(engines, name) == [17]
        for behaviour in ("assertion", "flat prefix", "every n-th pixel"):
            assert behaviour in words(engines, name)


def test_an_option_of_one_engine_makes_another_network_in_another():
    engines = compare_engines(DETECTOR.format("") + "scale_x_y=1.1\n")
    assert engines.reference == "alexeyab"
    assert answers(engines) == {"pjreddie": "differs", "alexeyab": "runs", "hank-ai": "runs"}
    assert lines(engines, "pjreddie") == [21]
    assert words(engines, "pjreddie") == "pjreddie's darknet ignores scale_x_y=1.1"


def test_the_reference_that_is_named_is_compared_with():
    engines = compare_engines(DETECTOR.format("") + "scale_x_y=1.1\n", "pjreddie")
    assert engines.reference == "pjreddie"
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "differs", "hank-ai": "differs"}
    assert words(engines, "alexeyab") == (
        "AlexeyAB's darknet reads scale_x_y=1.1, which pjreddie's darknet ignores"
    )


def test_a_function_is_named_as_each_reads_it():
    engines = compare_engines(DETECTOR.format("").replace("leaky", "mish"))
    assert answers(engines)["pjreddie"] == "differs"
    assert words(engines, "pjreddie") == (
        "pjreddie's darknet reads activation=mish as relu, not mish"
    )


def test_another_order_of_arrays_is_another_network():
    # pj parser.c:1268: i f o g; AB :2313: f i g o
    engines = compare_engines(network(conv(), section("lstm", output=4)))
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "differs", "hank-ai": "differs"}
    assert lines(engines, "alexeyab") == [15]
    assert "in another order" in words(engines, "alexeyab")


def test_a_list_that_splits_at_an_exponent_is_another_network():
    text = DETECTOR.format("").replace("anchors=10,10", "anchors=1e1,1e1")
    engines = compare_engines(text)
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "runs", "hank-ai": "differs"}
    assert lines(engines, "hank-ai") == [18]


def test_a_net_without_maps_stops_two_engines():
    # SIGFPE: AB parser.c:1751, HK darknet_cfg.cpp:1149
    engines = compare_engines(section("net", inputs=4) + section("connected", output=3))
    assert answers(engines) == {"pjreddie": "runs", "alexeyab": "refuses", "hank-ai": "refuses"}


def test_cr_lf_is_refused_by_the_first_engine_alone():
    # pj utils.c:302
    engines = compare_engines(DETECTOR.format("").replace("\n", "\r\n"))
    assert answers(engines) == {"pjreddie": "refuses", "alexeyab": "runs", "hank-ai": "runs"}
    assert lines(engines, "pjreddie") == [1]


def test_a_comment_behind_a_section_is_a_part_of_its_name_but_for_the_strict_engine():
    engines = compare_engines(DETECTOR.format("").replace("[yolo]", "[yolo] # one"))
    assert answers(engines) == {"pjreddie": "refuses", "alexeyab": "refuses", "hank-ai": "runs"}
    assert engines.reference == "hank-ai"
    assert lines(engines, "alexeyab") == [16]


def test_what_all_refuse_has_reasons_for_each():
    engines = compare_engines(DETECTOR.format("subdivisions=0\n"))
    assert answers(engines) == dict.fromkeys(DIALECTS, "refuses")
    assert [lines(engines, name) for name in DIALECTS] == [[5]] * len(DIALECTS)


def test_it_is_written_as_json():
    facts = compare_engines(DETECTOR.format("max_crop=80\n")).as_dict()
    assert facts["reference"] == "pjreddie"
    assert facts["engines"]["pjreddie"] == {"verdict": "runs", "reasons": []}
    assert facts["engines"]["hank-ai"] == {
        "verdict": "refuses",
        "reasons": [
            {"line": 5, "text": "hank-ai's darknet refuses max_crop=, which it does not read"}
        ],
    }


def test_what_is_no_cfg_is_refused():
    with pytest.raises(CfgError):
        compare_engines("hello\n")
