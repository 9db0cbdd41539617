"""classify(): what darknet itself answers."""

from pathlib import Path

import darknet_detector
import nets
import numpy as np
import pytest

from converter import UsageError, convert
from converter.errors import NetworkError
from yolov3 import classify, detect, load

PICTURES = sorted((Path(__file__).parents[2] / "data" / "shapes" / "images").glob("*.png"))

CLASSIFIER = """\
[net]
width=16
height=16
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=6
size=1
activation=linear

[avgpool]

[softmax]
groups=1
"""


@pytest.mark.engine
def test_classify_as_darknet_does(make):
    files = make(CLASSIFIER)
    files.cfg.with_suffix(".names").write_text("a\nb\nc\nd\ne\nf\n")
    model = load(convert(files.weights, dialect="pjreddie").output, bn="pjreddie-cpu")
    for picture in PICTURES[:2]:
        expected = darknet_detector.scores(files.cfg, files.weights, picture)
        best = np.argsort(-expected)[:3]
        found = classify(model, picture, top=3)
        assert found.labels.tolist() == best.tolist()
        assert list(found.names) == ["abcdef"[i] for i in best]
        # two orders of additions in float32; scores add up to 1
        np.testing.assert_allclose(found.scores, expected[best], atol=1e-6)


def test_alexeyabs_classifier_crops(make):
    """AB classifier.c:871: the shorter side becomes the width, the middle is kept."""
    model = load(convert(make(CLASSIFIER).weights, dialect="alexeyab").output)
    picture = np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)
    found = classify(model, [picture, picture[:, 8:24]], top=9)
    assert found[0].scores.tolist() == pytest.approx(found[1].scores.tolist())
    assert len(found[0].labels) == 6
    assert found[0].scores.sum().item() == pytest.approx(1)
    opencvs = classify(model, picture[:, :, ::-1], top=9, bgr=True)
    assert opencvs.scores.tolist() == found[0].scores.tolist()
    with pytest.raises(UsageError, match="top=0"):
        classify(model, picture, top=0)
    letterboxed = classify(model, picture, top=9, resize="letterbox")
    assert letterboxed.scores.tolist() != pytest.approx(found[0].scores.tolist())


def test_classifiers_and_detectors_are_not_mixed_up(sample, make):
    model = load(sample.weights)
    with pytest.raises(NetworkError, match="is a detector"):
        classify(model, PICTURES[0])
    classifier = load(convert(make(CLASSIFIER).weights).output)
    with pytest.raises(NetworkError, match=r"\[softmax\].*gives no boxes"):
        detect(classifier, PICTURES[0])


def test_names_of_another_number_are_not_used(make):
    """Without [softmax] nothing tells how many classes there are, so any number is converted."""
    files = make(nets.classifier(1, 7, 64).split("[softmax]")[0])
    files.cfg.with_suffix(".names").write_text("a\nb\n")
    model = load(convert(files.weights).output)
    assert model.names == ["a", "b"]
    found = classify(model, PICTURES[0], top=7)
    assert sorted(found.names) == ["0", "1", "2", "3", "4", "5", "6"]


def test_a_backbone_without_classes(make):
    bare = CLASSIFIER[: CLASSIFIER.index("[avgpool]")]
    with pytest.raises(NetworkError, match="does not end with the scores of classes"):
        classify(load(convert(make(bare).weights).output), PICTURES[0])
