"""Values that no training gives, and values that do not disturb."""

import nets
import numpy as np
import one_feature
import pytest
import reference

from converter import WeightsError, convert
from converter.cli.main import main
from converter.diagnosis.architectures import ARCHITECTURES
from converter.diagnosis.health import Survey
from converter.files.source import opened
from converter.operations.info import describe

LAYERS = {0: "layer 0 [convolutional], line 6", 1: "layer 1 [convolutional], line 13"}
# Floats of the toy after its header: 4 biases, 4 scales, 4 means, 4 variances, 108 weights, then
# 2 biases and 8 weights.
BIASES, SCALES, MEANS, VARIANCES, KERNEL, HEAD = 0, 4, 8, 12, 16, 124


@pytest.fixture
def changed(toy):
    """Converts the toy after ``change(floats)``; returns the warnings."""

    def run(change, **options):
        data = bytearray(toy.weights.read_bytes())
        change(np.frombuffer(data, "<f4", offset=20))
        toy.weights.write_bytes(data)
        return [w["text"] for w in convert(toy.weights, **options).as_dict()["warnings"]]

    return run


def setting(place, value, count=1):
    def change(floats):
        floats[place : place + count] = value

    return change


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (setting(KERNEL + 50, np.nan), ["weights of {0} holds NaN"]),
        (setting(MEANS, np.inf), ["rolling_mean of {0} holds infinite values"]),
        (setting(HEAD, -np.inf), ["biases of {1} holds infinite values"]),
        (
            setting(VARIANCES + 2, -0.25),
            ["rolling_variance of {0} holds negative values, down to -0.25"],
        ),
        (setting(KERNEL, 2e5), ["weights of {0} holds values up to 2e+05"]),
        (setting(SCALES, -2e5), ["scales of {0} holds values up to 2e+05"]),
        (setting(VARIANCES, 2e10), ["rolling_variance of {0} holds values up to 2e+10"]),
        (setting(KERNEL, 0, 108), ["weights of {0} is zero throughout"]),
        (setting(SCALES, 0, 4), ["scales of {0} is zero throughout"]),
        (setting(VARIANCES, 0, 4), ["rolling_variance of {0} is zero throughout"]),
        (
            setting(0, np.nan, 134),
            [f"{kind} of {{{layer}}} holds NaN" for layer, kind in (
                (0, "biases"), (0, "scales"), (0, "rolling_mean"), (0, "rolling_variance"),
                (0, "weights"), (1, "biases"), (1, "weights"),
            )],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"dry_run": True}])
def test_what_is_warned_of(changed, change, texts, options):
    assert changed(change, **options) == [text.format(*LAYERS.values()) for text in texts]


def test_without_verification_values_are_looked_at_only_if_strict(changed):
    assert changed(setting(KERNEL, np.nan), verify=False) == []
    with pytest.raises(WeightsError, match="holds NaN"):
        changed(setting(KERNEL, np.nan), verify=False, strict=True, force=True)


@pytest.mark.parametrize(
    "change",
    [
        setting(BIASES, 0, 4),
        setting(MEANS, 0, 4),
        setting(VARIANCES, 1e-38, 4),  # a dead channel
        setting(VARIANCES, 9e9),
        setting(KERNEL, 0, 107),
        setting(SCALES, -9e4),
    ],
)
def test_what_is_not(changed, change):
    assert changed(change) == []


def test_nan_after_numbers_and_before_them(make):
    """A kernel of several blocks of 256 KiB: the least value is kept from block to block."""
    files = make("[net]\nwidth=8\nheight=8\nchannels=64\n"
                 "[convolutional]\nfilters=512\nsize=3\nactivation=linear\n")  # fmt: skip
    whole = files.weights.read_bytes()
    for place in (20 + 4 * 512, 20 + 4 * 100_000, len(whole) - 4):
        data = bytearray(whole)
        data[place : place + 4] = np.float32([np.nan]).tobytes()
        files.weights.write_bytes(data)
        (warning,) = convert(files.weights, force=True).warnings
        assert (warning.layer, warning.array, warning.problem) == (0, "weights", "nan")


def test_strict_refuses_and_writes_nothing(toy, changed):
    with pytest.raises(WeightsError) as caught:
        changed(setting(VARIANCES, -1), strict=True)
    assert str(caught.value) == (
        f"{toy.weights}: rolling_variance of {LAYERS[0]} holds negative values, down to -1:"
        " damaged, or read with the wrong cfg (without strict=True it is converted all the same)"
    )
    assert sorted(path.name for path in toy.weights.parent.iterdir()) == ["toy.cfg", "toy.weights"]


def test_strict_names_the_first_and_counts_the_others(changed):
    with pytest.raises(WeightsError, match=r"biases of layer 0 .* NaN, and 6 more such arrays"):
        changed(setting(0, np.nan, 134), strict=True)


def test_strict_also_refuses_what_is_there_already(toy, changed):
    changed(setting(VARIANCES, -1))
    with pytest.raises(WeightsError):
        convert(toy.weights, strict=True)


def test_the_terminal_is_not_flooded(make, caplog, capsys):
    files = make(nets.yolov3(2, 3, size=96))
    data = bytearray(files.weights.read_bytes())
    np.frombuffer(data, "<f4", offset=20)[:] = np.nan
    files.weights.write_bytes(data)
    assert len(convert(files.weights).warnings) == 366
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 11
    assert warnings[-1] == "and 356 more such arrays"
    assert main(["convert", str(files.weights), "--dry-run"]) == 0
    assert "warning: and 356 more such arrays, which info --json lists\n" in capsys.readouterr().err


def test_a_second_look_finds_the_same(make):
    """In ranges, in whole arrays and at the end of the file: nothing is found twice."""
    files = make("[net]\nwidth=8\nheight=8\nchannels=32\n"
                 "[convolutional]\nbatch_normalize=1\nfilters=64\nsize=3\n")  # fmt: skip
    data = bytearray(files.weights.read_bytes())
    np.frombuffer(data, "<f4", offset=20)[64:128] = -2e5  # scales: negative, and far too large
    data[-4096:] = bytes(4096)
    files.weights.write_bytes(data)
    survey = Survey(convert(files.weights, dry_run=True).plan)
    with opened(files.weights) as source:
        found = [anomaly.problem for anomaly in survey.complete(source)]
        assert sorted(found) == ["huge", "negative", "zero"]
        assert [anomaly.problem for anomaly in survey.complete(source)] == found
    assert [anomaly.problem for anomaly in survey.findings()] == found


class TestHeads:
    TEXT = (
        "[net]\nwidth=8\nheight=8\nchannels=3\n"
        "[convolutional]\nfilters=24\nsize=1\nactivation=linear\n[yolo]\nclasses=3\nnum=3\n"
        "anchors=1,2,3,4,5,6\n"
    )

    def converted(self, make, biases):
        files = make(self.TEXT)
        data = bytearray(files.weights.read_bytes())
        data[20 : 20 + 4 * 24] = np.asarray(biases, "<f4").tobytes()
        files.weights.write_bytes(data)
        return [warning.text for warning in convert(files.weights).warnings]

    def test_objects_everywhere(self, make):
        biases = np.zeros((3, 8))
        biases[:, 4] = 3.5
        assert self.converted(make, biases) == [
            "biases of layer 0 [convolutional], line 5 would see an object in every cell"
        ]

    def test_some_of_the_anchors_may_score_high(self, make):
        biases = np.zeros((3, 8))
        biases[:2, 4] = 3.5
        assert self.converted(make, biases) == []

    def test_no_logit_is_so_large(self, make):
        biases = np.zeros((3, 8))
        biases[1, 7] = -51
        assert self.converted(make, biases) == [
            "biases of layer 0 [convolutional], line 5 holds logits up to 51"
        ]

    def test_trained_ones(self, make):
        biases = np.zeros((3, 8))
        biases[:, 4] = -4.5
        assert self.converted(make, biases) == []


KERNELS = (
    "[net]\nwidth=8\nheight=8\nchannels=64\n"
    "[convolutional]\nfilters=512\nsize=3\nactivation=linear\n"
    "[convolutional]\nfilters=8\nsize=1\nactivation=linear\n"
)
WIDE = 64 * 3 * 3  # values of a filter of the first


class TestHoles:
    """Zeros inside an array of 294,912 values, several blocks of 64 Ki: a broken transfer."""

    def warned(self, make, first, count, text=KERNELS, **options):
        files = make(text)
        data = bytearray(files.weights.read_bytes())
        floats = np.frombuffer(data, "<f4", offset=20)
        floats[512 + first : 512 + first + count] = 0
        files.weights.write_bytes(data)
        return [warning.text for warning in convert(files.weights, **options).warnings]

    @pytest.mark.parametrize(
        ("first", "count"),
        [
            (5, 1024),
            (65_536 - 500, 1024),  # ends in the next block
            (100_000, 150_000),  # over whole blocks
            (WIDE * 10, 1500),  # begins with a filter, and ends in another
            (WIDE * 10 - 300, WIDE * 2 + 300),
            (WIDE * 510, 1025),
        ],
    )
    @pytest.mark.parametrize("options", [{}, {"dry_run": True}, {"dtype": "float16"}])
    def test_a_hole(self, make, first, count, options):
        assert self.warned(make, first, count, **options) == [
            f"weights of layer 0 [convolutional], line 5 holds {count:,} zeros in a row, from its"
            f" value {first:,} on, as a broken transfer leaves"
        ]

    @pytest.mark.parametrize(
        ("first", "count"),
        [
            (5, 1023),
            (0, WIDE * 2),  # pruned channels
            (WIDE * 100, WIDE * 300),
            (WIDE * 509, WIDE * 3),
        ],
    )
    def test_none(self, make, first, count):
        assert self.warned(make, first, count) == []

    def matrix(self, folder, first, count, version):
        """What is found in 40 x 1,500 values, stored as ``version`` says, after 1,500 biases."""
        cfg, file = folder / "net.cfg", folder / "net.weights"
        cfg.write_text("[net]\ninputs=40\n[connected]\noutput=1500\n[connected]\noutput=2\n")
        data = bytearray(one_feature.weights("b1500 w1500x40 b2 w2x1500", version=version))
        np.frombuffer(data, "<f4", offset=20)[1500 + first : 1500 + first + count] = 0
        file.write_bytes(data)
        found = convert(file, dialect="alexeyab").warnings
        return [warning.text for warning in found if "zeros in a row" in warning.text]

    @pytest.mark.parametrize(
        ("first", "count", "holes"),
        # Transposed, there are the weights of input 0 for 1,500 outputs, then those of input 1, ...
        [(700, 1100, 1), (0, 1500, 0), (1500, 3000, 0), (1500 * 20 + 1, 1024, 1), (40, 4000, 1)],
    )
    def test_transposed_matrices_have_them_in_the_order_of_the_file(
        self, tmp_path, first, count, holes
    ):
        assert (
            self.matrix(tmp_path, first, count, (0, 1001, 0))
            == [
                f"weights of layer 0 [connected], line 3 holds {count:,} zeros in a row, from its"
                f" value {first:,} on, as a broken transfer leaves"
            ]
            * holes
        )

    @pytest.mark.parametrize(("first", "count"), [(40, 4000), (-1500 + 100, 1200)])
    def test_outputs_that_are_pruned(self, tmp_path, first, count):
        """A hundred rows of a matrix, and a part of the biases, of which each is of one filter."""
        assert self.matrix(tmp_path, first, count, (0, 2, 0)) == []

    def test_of_a_checkpoint(self, make):
        self.warned(make, 5, 2000)
        files = make(KERNELS)  # another one, but the checkpoint stays
        (warning,) = describe(files.checkpoint).as_dict()["warnings"]
        assert (warning["problem"], warning["layer"]) == ("hole", 0)


class TestSoundFiles:
    def test_the_sample(self, sample):
        assert convert(sample.weights, strict=True).warnings == ()

    @pytest.mark.parametrize("seed", range(5))
    def test_random_weights(self, make, seed):
        files = make(nets.yolov3(2, 3, size=96), seed=seed)
        assert convert(files.weights, strict=True).warnings == ()


class TestMisreadings:
    """Files whose size is right: only their values tell."""

    def test_an_interrupted_download(self, make):
        """A download manager allocates the whole file first."""
        files = make(nets.yolov3(2, 3, size=96))
        data = files.weights.read_bytes()
        first = next(e.first for e in reference.layout(files.text) if e.layer == 100)
        files.weights.write_bytes(data[: 20 + 4 * first].ljust(len(data), b"\0"))
        texts = [warning.text for warning in convert(files.weights).warnings]
        assert texts[0].startswith("scales of layer 100 [convolutional]")
        assert all(text.endswith("is zero throughout") for text in texts)
        assert texts[-1].startswith("weights of layer 105 [convolutional]")

    def test_interrupted_in_its_last_array(self, make):
        files = make("[net]\nwidth=8\nheight=8\nchannels=64\n"
                     "[convolutional]\nfilters=512\nsize=3\nactivation=linear\n")  # fmt: skip
        data = files.weights.read_bytes()
        files.weights.write_bytes(data[:-5000] + bytes(5000))
        (warning,) = convert(files.weights).warnings
        assert warning.text.endswith("ends in zeros, as an interrupted download does")

    def test_another_order(self, make):
        """Biases of batch norm last instead of first: every array is of the right size."""
        files = make(nets.yolov3(2, 3, size=96))
        data = bytearray(files.weights.read_bytes())
        floats = np.frombuffer(data, "<f4", offset=20)
        arrays = {(e.layer, e.kind): e for e in reference.layout(files.text)}
        for layer, kind in arrays:
            if kind == "scales":
                biases = arrays[layer, "biases"]
                count = biases.shape[0]
                four = floats[biases.first : biases.first + 4 * count]
                four[:] = np.roll(four, -count)
        files.weights.write_bytes(data)
        found = convert(files.weights).warnings
        assert {warning.problem for warning in found} == {"negative"}
        # Means stand for scales, and half of them are negative; biases stand for variances.
        arrays = [warning.array for warning in found]
        assert set(arrays) == {"scales", "rolling_variance"}
        assert arrays.count("rolling_variance") > 60  # of 72 layers with batch norm

    def test_scales_that_are_no_scales(self, make):
        files = make(
            "[net]\nwidth=8\nheight=8\nchannels=3\n"
            "[convolutional]\nbatch_normalize=1\nfilters=64\nactivation=leaky\n"
        )
        data = bytearray(files.weights.read_bytes())
        np.frombuffer(data, "<f4", offset=20)[64 : 64 + 33] *= -1
        files.weights.write_bytes(data)
        (warning,) = convert(files.weights).warnings
        assert warning.text == (
            "scales of layer 0 [convolutional], line 5 holds 33 negative values of 64"
        )

    def test_an_architecture_of_the_same_size(self, tmp_path):
        """Without a cfg, the size alone would take noise for yolov3-tiny."""
        count = ARCHITECTURES[3].floats(80)
        noise = np.random.default_rng(0).normal(size=count).astype("<f4")
        path = tmp_path / "x.weights"
        path.write_bytes(b"\0\0\0\0\2\0\0\0" + bytes(12) + noise.tobytes())
        with pytest.raises(WeightsError, match="has the size of yolov3-tiny, but not its contents"):
            convert(path)
