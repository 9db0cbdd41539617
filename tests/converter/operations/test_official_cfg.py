"""Official cfgs, as they are and for other numbers of classes.

Nothing leaves 127.0.0.1.
"""

from dataclasses import replace

import pytest
import reference

from converter.darknet.network import read_network
from converter.errors import DownloadError, OutputError, UsageError
from converter.operations.convert import convert
from converter.operations.official_cfg import fetch_cfg
from tests.converter.toy_detector import CFG, FLOATS, OFFICIAL, SLOPE, detector_served


@pytest.mark.parametrize("classes", [None, 80])
def test_it_comes_as_it_is(tmp_path, monkeypatch, classes):
    with detector_served(monkeypatch):
        path = fetch_cfg(OFFICIAL, tmp_path / "new", classes=classes)
    assert path == tmp_path / "new" / "toy.cfg"
    assert path.read_bytes() == CFG.encode()


def test_it_comes_for_other_classes(tmp_path, monkeypatch):
    """The head has 3 * (5 + 3) filters then; nothing else changes."""
    with detector_served(monkeypatch):
        path = fetch_cfg(OFFICIAL, tmp_path / "new", classes=3)
    assert path == tmp_path / "new" / "toy-3-classes.cfg"
    wanted = CFG.replace("filters=255", "filters=24").replace("classes=80", "classes=3")
    assert path.read_text() == wanted
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    network = read_network(path)
    assert (network.classes, network.floats) == (3, FLOATS + 3 * SLOPE)


def test_weights_of_so_many_classes_convert_with_it(tmp_path, monkeypatch):
    with detector_served(monkeypatch):
        cfg = fetch_cfg(OFFICIAL, tmp_path, classes=3)
    weights = tmp_path / "mine.weights"
    weights.write_bytes(reference.random_weights(cfg.read_text()))
    assert convert(weights, cfg=cfg).verified


def test_a_file_of_that_name_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "toy-3-classes.cfg"
    path.write_text("mine")
    with detector_served(monkeypatch):
        with pytest.raises(OutputError, match="exists already"):
            fetch_cfg(OFFICIAL, tmp_path, classes=3)
        assert path.read_text() == "mine"
        fetch_cfg(OFFICIAL, tmp_path, classes=3, force=True)
    assert "classes=3" in path.read_text()


def test_other_bytes_are_not_changed_but_refused(tmp_path, monkeypatch):
    with (
        detector_served(monkeypatch, cfg=CFG.replace("32", "64").encode()),
        pytest.raises(DownloadError, match="other bytes than were published"),
    ):
        fetch_cfg(OFFICIAL, tmp_path, classes=3)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with detector_served(monkeypatch), pytest.raises(OutputError, match="cannot be made a folder"):
        fetch_cfg(OFFICIAL, tmp_path / "file" / "new", classes=3)


@pytest.mark.parametrize(
    ("cfg", "classes", "message"),
    [
        (
            replace(OFFICIAL, slope=0),
            3,
            r"toy\.cfg of .* has no classes to change \(leave out classes=\)",
        ),
        (OFFICIAL, 10_001, "10001 classes are not from 1 to 10,000"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(tmp_path, cfg, classes, message):
    with pytest.raises(UsageError, match=message):
        fetch_cfg(cfg, tmp_path, classes=classes)
