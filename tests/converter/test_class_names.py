"""Class names, by the hashes of the files of them that Darknet's repository has."""

from hashlib import sha256

import pytest

from converter.class_names import CLASS_NAMES
from converter.official import names_file


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_they_are_the_lines_of_the_repositorys_file(name):
    """Debian's copies have these hashes: test_official.py."""
    lines = "".join(f"{each}\n" for each in CLASS_NAMES[name]).encode()
    assert names_file(name, "any.names").hashes == {f"sha256:{sha256(lines).hexdigest()}": 1}
