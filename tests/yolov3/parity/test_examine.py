"""One cfg in real darknet and here: what is said of it."""

from pathlib import Path

import pytest
from one_feature import conv, network, section

from converter.darknet.layers.convolutional import Convolutional
from yolov3.parity.compare import Difference
from yolov3.parity.engines import DEBIAN, Limits, NoAnswer
from yolov3.parity.examine import Case, _judged, examine

RUNS = network(conv(batch_normalize=1), section("maxpool", size=2, stride=2), conv(filters=4))


def case(folder: Path, text: str, **options) -> Case:
    cfg = folder / "it.cfg"
    cfg.write_text(text)
    return Case(path=cfg, name="it", dialect="pjreddie", library=DEBIAN, **options)


@pytest.mark.engine
class TestInDarknet:
    def test_exact(self, tmp_path):
        verdict = examine(case(tmp_path, RUNS), Limits())
        assert verdict.result == "exact"
        # 6 filters of 3x3x3, their norm's four values; 4 filters of 3x3x6, their biases
        assert verdict.floats == 6 * 27 + 4 * 6 + 4 * 54 + 4
        assert (verdict.layers, verdict.same_file, verdict.weak) == (3, True, 0)
        assert verdict.relative < 1e-6

    def test_the_first_layer_that_differs(self, tmp_path, monkeypatch):
        right = Convolutional.forward
        monkeypatch.setattr(
            Convolutional, "forward",
            lambda self, m, x: right(self, m, x) * (1.01 if self.filters == 4 else 1),
        )  # fmt: skip
        verdict = examine(case(tmp_path, RUNS + conv()), Limits())
        assert (verdict.result, verdict.worst) == ("differs", "layer 2 [convolutional], line 20")
        assert verdict.relative == pytest.approx(0.01, rel=1e-3)

    def test_an_output_of_another_size(self, tmp_path, monkeypatch):
        right = Convolutional.forward
        monkeypatch.setattr(
            Convolutional, "forward", lambda self, m, x: right(self, m, x)[:, :, :-1]
        )
        verdict = examine(case(tmp_path, network(conv())), Limits())
        assert (verdict.result, verdict.worst) == ("differs", "layer 0 [convolutional], line 8")
        assert "another size" in verdict.there

    def test_refused_by_the_engine(self, tmp_path):
        verdict = examine(case(tmp_path, network(conv(), section("batchnorm"))), Limits())
        assert verdict.result == "refused by the engine"
        assert verdict.there == "darknet died of SIGSEGV as it ran"

    def test_refused_here(self, tmp_path):
        verdict = examine(case(tmp_path, network(conv(activation="silu"))), Limits())
        assert (verdict.result, verdict.there) == ("refused here", None)
        assert verdict.here.startswith("layer 0 [convolutional], line 8: activation=silu is")

    @pytest.mark.parametrize("content", [b"[convolutional]\n", b"\0\1\2"])
    def test_refused_by_both(self, tmp_path, content):
        given = case(tmp_path, "")
        given.path.write_bytes(content)
        verdict = examine(given, Limits())
        assert verdict.result == "refused by both"
        assert verdict.here
        assert verdict.there.startswith("darknet died of SIG")

    def test_an_engine_that_takes_too_long(self, tmp_path):
        verdict = examine(case(tmp_path, RUNS), Limits(seconds=0))
        assert (verdict.result, verdict.there) == ("no answer", "darknet had no answer after 0 s")

    def test_nobody_waits_any_more(self, tmp_path):
        limits = Limits()
        limits.stop.set()
        with pytest.raises(NoAnswer):
            examine(case(tmp_path, RUNS), limits)

    def test_flipped_kernels_are_saved_as_they_lie_in_memory(self, tmp_path):
        verdict = examine(case(tmp_path, network(conv(flipped=1))), Limits())
        assert (verdict.result, verdict.same_file) == ("exact", None)

    def test_a_network_without_weights(self, tmp_path):
        verdict = examine(case(tmp_path, network(section("maxpool", size=2))), Limits())
        assert (verdict.result, verdict.floats, verdict.same_file) == ("exact", 0, True)


def row(index: int, relative: float, **options) -> Difference:
    facts = {"max_abs": 0, "rms": 1, "varies": True, "place": f"layer {index}", **options}
    return Difference(index=index, relative=relative, **facts)


@pytest.mark.parametrize(
    ("rows", "same", "result", "worst"),
    [
        ([row(0, 1e-7), row(1, 2e-6), row(2, 0)], True, "exact", "layer 1"),
        ([row(0, 0), row(1, 1e-3), row(2, 1)], True, "differs", "layer 1"),
        ([row(0, 0), row(1, float("nan"))], True, "differs", "layer 1"),
        ([row(0, 0), row(1, float("inf"))], None, "differs", "layer 1"),
        ([row(0, 0), row(1, 1, excuse="a bug")], True, "exact", "layer 0"),
        ([row(0, 0)], False, "differs", "layer 0"),
        ([row(0, 0, varies=False)], True, "no answer", "layer 0"),
        ([row(0, 1, excuse="a bug")], True, "no answer", None),
        ([row(0, 0, excuse="a bug")], True, "exact", "layer 0"),  # of which there is no sign
    ],
)
def test_the_verdict_on_layers(rows, same, result, worst):
    verdict = _judged(rows, "pjreddie", same)
    assert (verdict["result"], verdict.get("worst")) == (result, worst)


def test_layers_whose_agreement_says_little():
    weak = [row(0, 0, varies=False), row(0, 0, rms=1e-3), row(0, 0, rms=1e3)]
    held = [row(0, 0), row(0, 0, rms=1e-3, place="layer 5 [softmax]")]
    assert _judged([*weak, *held], "pjreddie", True)["weak"] == 3
