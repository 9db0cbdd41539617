"""What a .weights file is, before its values go anywhere."""

import nets
import numpy as np
import pytest

from converter import CfgError, WeightsError
from converter.diagnosis.health import Survey
from converter.files.source import opened
from converter.operations.weights import read_weights


@pytest.fixture
def messages(caplog):
    caplog.set_level("INFO", "converter")
    return lambda: [record.getMessage() for record in caplog.records]


def spoil(path, place, value):
    """Write a float32 at a byte."""
    data = bytearray(path.read_bytes())
    data[place : place + 4] = np.float32(value).tobytes()
    path.write_bytes(data)


class TestWhatItIsReadFrom:
    def test_files_beside_it(self, sample, messages):
        names = sample.cfg.with_suffix(".names")
        with opened(sample.weights) as source:
            found = read_weights(source)
        assert found.inputs == (sample.weights, sample.cfg, names)
        assert found.names == ["circle", "square", "triangle"]
        assert f"network: {sample.cfg}, found beside the weights" in messages()
        assert f"class names: {names}, found beside the weights" in messages()

    def test_files_that_are_given_are_not_announced(self, sample, tmp_path, messages):
        sample.cfg.rename(tmp_path / "other.cfg")
        (tmp_path / "other.names").write_text("a\nb\nc\n")
        with opened(sample.weights) as source:
            found = read_weights(source, tmp_path / "other.cfg", tmp_path / "other.names")
        assert found.inputs == (sample.weights, tmp_path / "other.cfg", tmp_path / "other.names")
        assert found.names == ["a", "b", "c"]
        assert not any("beside" in line for line in messages())

    def test_a_built_in_list_is_no_file(self, make):
        files = make(nets.tiny(1, 20, size=64))
        with opened(files.weights) as source:
            found = read_weights(source, names="voc")
        assert found.inputs == (files.weights, files.cfg)
        assert (found.names[0], found.names[-1]) == ("aeroplane", "tvmonitor")

    def test_names_of_another_number_of_classes(self, sample):
        sample.cfg.with_suffix(".names").write_text("one\ntwo\n")
        with (
            opened(sample.weights) as source,
            pytest.raises(CfgError, match="has 2 names, the network has 3 classes"),
        ):
            read_weights(source)


def test_what_a_checkpoint_of_it_says(sample):
    with opened(sample.weights) as source:
        claims = read_weights(source, family="article").metadata("0" * 64, "float16")
    assert (claims.source_sha256, claims.dtype, claims.family) == ("0" * 64, "float16", "article")
    assert claims.names == ["circle", "square", "triangle"]


def test_what_has_no_place_in_the_model_is_counted(sample, messages):
    with opened(sample.weights) as source:
        found = read_weights(source, family="article")
    left, unfilled = len(found.plan.left_out), len(found.plan.unfilled)
    assert left
    assert any(
        f"no working detector: {left} arrays of the file" in line
        and f"{unfilled} tensors of the model have no source" in line
        for line in messages()
    )


@pytest.mark.parametrize(("dialect", "warned"), [("pjreddie", False), ("hank-ai", True)])
def test_a_file_that_ends_early_is_whole_files_engines_trouble(toy, messages, dialect, warned):
    # 20 of the header, 4 * 4 + 4 * 3 * 9 floats of the first convolution
    toy.weights.write_bytes(toy.weights.read_bytes()[: 20 + 4 * 124])
    with opened(toy.weights) as source:
        found = read_weights(source, dialect=dialect, partial=True)
    assert found.plan.cutoff == 1
    assert any("does not load a file that ends" in line for line in messages()) == warned


class TestValues:
    # bytes 20 to 36 are the biases of the first convolution
    def examined(self, toy, **options):
        with opened(toy.weights) as source:
            found = read_weights(source)
            return found.examine(Survey(found.plan), **options)

    def test_nothing_wrong(self, toy):
        assert self.examined(toy, strict=True) == ()

    def test_a_value_that_no_training_gives(self, toy):
        spoil(toy.weights, 24, np.nan)
        (anomaly,) = self.examined(toy)
        assert (anomaly.layer, anomaly.array, anomaly.offset) == (0, "biases", 20)

    def test_it_is_refused_if_strict(self, toy):
        spoil(toy.weights, 24, np.nan)
        with pytest.raises(WeightsError, match="NaN"):
            self.examined(toy, strict=True)

    def test_values_are_not_looked_at_if_not_whole(self, toy):
        spoil(toy.weights, 24, np.nan)
        assert self.examined(toy, whole=False, strict=True) == ()

    def test_those_that_a_recognised_network_must_have_always_are(self, tmp_path):
        """yolov3-tiny of 1 class: its first convolution has 16 biases, scales, means, variances."""
        path = tmp_path / "x.weights"
        header = np.array([0, 2, 0, 0, 0], "<i4").tobytes()
        path.write_bytes(header + bytes(4 * 8_676_244))
        spoil(path, 20 + 4 * (3 * 16 + 5), -1)
        with opened(path) as source:
            found = read_weights(source)
            with pytest.raises(WeightsError, match="has the size of yolov3-tiny") as refused:
                found.examine(Survey(found.plan), whole=False)
        assert refused.value.place == "byte 212"  # where the array begins: 20 + 4 * 3 * 16
