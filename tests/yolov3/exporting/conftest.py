"""What the tests of this room share."""

import shutil
from pathlib import Path

import pytest

from converter import convert
from converter.options import Dtype

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def heads(tmp_path):
    """Loads one of the small networks whose boxes AlexeyAB's darknet gave."""

    def checkpoint(name: str, dtype: Dtype = "float32") -> Path:
        for suffix in (".cfg", ".weights"):
            shutil.copyfile(DATA / "heads" / (name + suffix), tmp_path / (name + suffix))
        weights = tmp_path / f"{name}.weights"
        return convert(weights, dialect="alexeyab", dtype=dtype).output

    return checkpoint
