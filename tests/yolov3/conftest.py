"""What the tests of this package share."""

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet_afterwards():
    """A command writes to the stderr of its time, which pytest closes."""
    yield
    for name in ("converter", "yolov3"):
        logging.getLogger(name).handlers.clear()
