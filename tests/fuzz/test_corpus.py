"""Every input of the corpus, without the fuzzer: what it once found stays found."""

from pathlib import Path

import pytest
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert len(inputs) > 10
    for path in inputs:
        TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_cut_of_some_input(name):
    smallest, *_ = sorted(
        (CORPUS / name).iterdir(), key=lambda path: abs(path.stat().st_size - 400)
    )
    data = smallest.read_bytes()
    for size in range(len(data)):
        TARGETS[name](data[:size])
