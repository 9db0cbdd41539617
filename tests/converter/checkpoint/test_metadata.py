"""The table of what a checkpoint says of itself, as strings and back."""

import json
from dataclasses import fields, replace

import pytest

from converter import CheckpointError, convert
from converter.checkpoint.metadata import Metadata, NetworkUnknown
from converter.darknet.header import Header
from converter.darknet.network import parse_network

WHOLE = Metadata(
    tool="darknet-safetensors 1",
    source_sha256="0123456789abcdef" * 4,
    header=Header(major=0, minor=2, revision=5, seen=2**40, size=20),
    cfg="[net]\n# Größe\n",
    family="generic",
    dialect="alexeyab",
    classes=2,
    names=["Käse", "\u732b"],
    assumed={"architecture": "yolov3_5l", "width": 608, "height": 320, "anchors": [1, 2.5]},
    complete=False,
    cutoff=74,
    dtype="bfloat16",
    lossless=False,
)


def test_it_is_written_out():
    assert WHOLE.encode() == {
        "format": "pt",
        "schema": "2",
        "tool": "darknet-safetensors 1",
        "source_sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "header": '{"major": 0, "minor": 2, "revision": 5, "seen": 1099511627776, "size": 20}',
        "cfg": "[net]\n# Größe\n",
        "family": "generic",
        "dialect": "alexeyab",
        "classes": "2",
        "names": '["Käse", "\u732b"]',
        "assumed": '{"architecture": "yolov3_5l", "width": 608, "height": 320, "anchors":'
        " [1, 2.5]}",
        "complete": "false",
        "cutoff": "74",
        "dtype": "bfloat16",
        "lossless": "false",
    }


def test_and_read_again():
    assert Metadata.decode(WHOLE.encode()) == WHOLE
    for field in fields(Metadata):
        if field.name in ("classes", "names", "cutoff", "assumed"):
            part = replace(WHOLE, **{field.name: {} if field.name == "assumed" else None})
            assert field.name not in part.encode()
            assert Metadata.decode(part.encode()) == part


def test_names_are_as_many_as_classes(sample):
    plan = convert(sample.weights, dry_run=True).plan
    options = {"tool": "x", "sha256": "0" * 64}
    assert Metadata.of(plan, **options, names=["a", "b", "c"]).classes == 3
    with pytest.raises(CheckpointError) as caught:
        Metadata.of(plan, **options, names=["a", "b"])
    assert str(caught.value) == (
        "has 2 class names, the network has 3 classes (name each of its classes, or none)"
    )
    assert Metadata.of(plan, **options, names=None).names is None


def test_names_of_what_has_no_classes_are_kept(toy):
    plan = convert(toy.weights, dry_run=True).plan
    made = Metadata.of(plan, tool="x", sha256="0" * 64, names=["a", "b"])
    assert (made.classes, made.names) == (None, ["a", "b"])


def test_what_a_plan_makes_of_it(toy):
    plan = convert(toy.weights, dry_run=True).plan
    made = Metadata.of(plan, tool="a tool", sha256="ab" * 32, names=None, assumed={"width": 8})
    assert made == Metadata(
        schema=2, tool="a tool", source_sha256="ab" * 32, header=plan.header, cfg=toy.text,
        family="generic", dialect="pjreddie", classes=None, names=None, assumed={"width": 8},
        complete=True, cutoff=None, dtype="float32", lossless=True,
    )  # fmt: skip
    assert Metadata.of(plan, tool="", sha256="", names=None).assumed == {}
    for dtype in ("float16", "bfloat16"):
        rounded = Metadata.of(plan, tool="", sha256="", names=None, dtype=dtype)
        assert (rounded.dtype, rounded.lossless) == (dtype, False)


def test_a_file_that_ends_early(toy):
    toy.weights.write_bytes(toy.weights.read_bytes()[:516])  # after layer 0
    plan = convert(toy.weights, partial=True, dry_run=True).plan
    made = Metadata.of(plan, tool="", sha256="", names=None)
    assert (made.complete, made.cutoff) == (False, 1)


class TestSchema:
    """2 is read by one engine; in 1 all options of the cfg count."""

    @pytest.mark.parametrize(
        ("more", "dialect", "schema"),
        [
            ("", "pjreddie", 2),
            ("", None, 2),  # that engine makes the same network of it
            ("[maxpool]\nmaxpool_depth=0\n", "pjreddie", 2),
            ("[convolutional]\nfilters=2\ndilation=2\n", None, 1),
            ("[convolutional]\nfilters=2\ndilation=2\n", "alexeyab", 1),  # of another engine
            ("[sam]\nfrom=-1\n", None, 1),  # a layer that it does not know
        ],
    )
    def test_it_is_2_if_the_engine_reads_the_network_so(self, toy, more, dialect, schema):
        plan = convert(toy.weights, dry_run=True).plan
        network = parse_network(toy.text + more, dialect)
        made = Metadata.of(replace(plan, network=network), tool="", sha256="", names=None)
        assert (made.schema, made.dialect) == (schema, "pjreddie")
        assert made.reading == ("pjreddie" if schema == 2 else None)

    @pytest.mark.parametrize("schema", ["0", "3", "", "1.0", "two"])
    def test_another_one_is_of_a_newer_version(self, schema):
        with pytest.raises(CheckpointError) as caught:
            Metadata.decode({**WHOLE.encode(), "schema": schema})
        assert str(caught.value) == (
            f"has metadata of schema {schema}, this version reads 1 and 2 (update this package)"
        )

    def test_the_one_before(self):
        assert Metadata.decode({**WHOLE.encode(), "schema": "1"}) == replace(WHOLE, schema=1)

    def test_without_one_nothing_is_known(self):
        entries = WHOLE.encode()
        del entries["schema"]
        with pytest.raises(NetworkUnknown) as caught:
            Metadata.decode(entries)
        assert str(caught.value) == ("does not say which network it is (give its cfg with cfg=)")
        assert NetworkUnknown("x.safetensors").path == "x.safetensors"


NUMBERS = "not major, minor, revision, seen and size"
ENGINE = "not one that AlexeyAB's darknet could have read"
ASSUMED = "not an architecture with its picture's size and anchors"


def header(**changes) -> str:
    return json.dumps({"major": 0, "minor": 2, "revision": 5, "seen": 7, "size": 20} | changes)


def assumed(**changes) -> str:
    return json.dumps({"architecture": "yolov3", "width": 8, "height": 8} | changes)


@pytest.mark.parametrize(
    ("claim", "value", "what"),
    [
        *((claim, None, "is missing") for claim in ("tool", "source_sha256", "header", "cfg",
                                                    "family", "dialect")),
        ("tool", "\udc80", "is \udc80, not text"),
        ("cfg", "\udc80", "is \udc80, not text"),
        ("source_sha256", "0" * 63, f"is {'0' * 63}, not 64 hexadecimal digits"),
        ("source_sha256", "G" * 64, f"is {'G' * 64}, not 64 hexadecimal digits"),
        *(("header", text, f"is {text}, {NUMBERS}") for text in (
            "", "[]", "null", "7", header(seen="7"), header(seen=True), header(size=18),
            header(more=1), '{"size": 20}')),
        *(("header", text, f"is {text}, {ENGINE}") for text in (
            header(seen=-1), header(seen=2**64), header(major=2**31), header(size=16),
            header(minor=1))),
        ("family", "yolov2", "is yolov2, not one of yolov3, article, generic, bubbliiiing, dena,"
         " libreyolo, lightnet, mmdet, pytorchyolo, tianxiaomo, tianxiaomo-class, timm,"
         " ultralytics, ultralytics-v5, table"),
        ("dialect", "hank", "is hank, not one of pjreddie, alexeyab, hank-ai"),
        ("dtype", "F32", "is F32, not one of float32, float16, bfloat16"),
        *(("classes", text, f"is {text}, not a number of classes") for text in (
            "3.0", '"3"', "true", "-1", "null", "2147483648", "x")),
        *(("cutoff", text, f"is {text}, not a number of layers") for text in ("1.5", "-1", "[]")),
        *(("names", text, f"is {text}, not a list of class names") for text in (
            "[1]", '"ab"', '{"a": 0}', '["\\udc80"]', '["a", 1]')),
        *((claim, text, f"is {text}, not true or false") for claim in ("complete", "lossless")
          for text in ("1", '"true"', "null", "True")),
        *(("assumed", text, f"is {text}, {ASSUMED}") for text in (
            "[]", "{}", '{"architecture": "yolov3", "width": 8}', assumed(architecture=3),
            assumed(architecture="`<b>"), assumed(architecture=""), assumed(architecture="y\u00f6"),
            assumed(width="8"),
            assumed(height=None), assumed(height=-1), assumed(width=True), assumed(anchors=3),
            assumed(anchors=["1"]), assumed(anchors=[True]), assumed(anchors=[-1]),
            assumed(anchors=[2**31]), assumed(anchors=[float("nan")]))),
    ],
)  # fmt: skip
def test_a_claim_that_nothing_could_be(claim, value, what):
    entries = WHOLE.encode()
    if value is None:
        del entries[claim]
    else:
        entries[claim] = value
    with pytest.raises(CheckpointError) as caught:
        Metadata.decode(entries)
    assert (caught.value.place, caught.value.message) == (f"metadata {claim}", what)
    assert caught.value.remedy == "convert the .weights again"


@pytest.mark.parametrize(
    ("claim", "value", "found"),
    [
        ("classes", "0", 0), ("classes", "2147483647", 2**31 - 1), ("cutoff", "0", 0),
        ("names", "[]", []), ("complete", "true", True), ("lossless", "true", True),
        ("tool", "", ""), ("tool", "a\nb", "a\nb"), ("family", "table", "table"),
        ("assumed", assumed(anchors=[0, 2**31 - 1, 1.5]), json.loads(
            assumed(anchors=[0, 2**31 - 1, 1.5]))),
        ("assumed", assumed(width=0), json.loads(assumed(width=0))),
        ("header", header(seen=2**64 - 1), Header(major=0, minor=2, revision=5, seen=2**64 - 1,
                                                  size=20)),
        ("header", header(minor=1, size=16), Header(major=0, minor=1, revision=5, seen=7, size=16)),
    ],
)  # fmt: skip
def test_the_last_that_may_be_true(claim, value, found):
    assert getattr(Metadata.decode({**WHOLE.encode(), claim: value}), claim) == found


def test_without_a_type_it_is_float32():
    entries = WHOLE.encode()
    del entries["dtype"]
    assert Metadata.decode(entries).dtype == "float32"


def test_a_header_is_one_of_the_engine_that_is_named():
    """From version 1000 on pjreddie's engine reads a short one: pj parser.c:1236."""
    entries = {**WHOLE.encode(), "header": header(major=1000)}
    assert Metadata.decode(entries).header.major == 1000
    with pytest.raises(CheckpointError, match="not one that pjreddie's darknet could have read"):
        Metadata.decode({**entries, "dialect": "pjreddie"})


def test_a_long_claim_is_cut():
    with pytest.raises(CheckpointError) as caught:
        Metadata.decode({**WHOLE.encode(), "names": "[" * 9000})
    assert caught.value.message == f"is {'[' * 100}..., not a list of class names"
