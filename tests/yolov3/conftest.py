"""What the tests of this package share."""

import logging

import pytest

from yolov3.drawing import fonts


@pytest.fixture(autouse=True)
def quiet_afterwards():
    """A command writes to the stderr of its time, which pytest closes."""
    yield
    for name in ("converter", "yolov3"):
        logging.getLogger(name).handlers.clear()


@pytest.fixture
def font_folder(tmp_path, monkeypatch):
    """The one folder that has fonts; nothing is known of others."""
    monkeypatch.setattr(fonts, "folders", lambda: [tmp_path])
    monkeypatch.setattr(fonts, "_chosen", {})
    monkeypatch.setattr(fonts, "_reported", set())
    fonts.system_fonts.cache_clear()
    yield tmp_path
    fonts.system_fonts.cache_clear()
