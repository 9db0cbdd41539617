"""Class names as Darknet reads them: a line each, and nothing else means anything."""

import pytest

from converter.darknet.names import read_names
from converter.errors import CfgError
from converter.files.source import COMPANION_BYTES


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"circle\nsquare\n", ["circle", "square"]),
        (b"\xef\xbb\xbfcircle\r\nsquare", ["circle", "square"]),  # BOM, line ends of Windows
        ("Käse\n\u732b\n".encode(), ["Käse", "\u732b"]),
        (b"K\xe4se\n", ["Käse"]),  # no UTF-8: Latin-1
        (b"a\n\nb\n\n\n", ["a", "", "b"]),  # Darknet counts empty lines, but for those at the end
        (b"", []),
    ],
)
def test_lines(tmp_path, data, names):
    (tmp_path / "x.names").write_bytes(data)
    assert read_names(tmp_path / "x.names", len(names)) == names
    assert read_names(tmp_path / "x.names", None) == names


def test_as_many_as_classes(tmp_path):
    (tmp_path / "x.names").write_bytes(b"a\nb\n")
    with pytest.raises(CfgError, match="has 2 names, the network has 3 classes"):
        read_names(tmp_path / "x.names", 3)


def test_a_limit(tmp_path):
    most = COMPANION_BYTES[".names"]
    (tmp_path / "x.names").write_bytes(b"a" * most)
    assert len(read_names(tmp_path / "x.names", 1)[0]) == most
    (tmp_path / "x.names").write_bytes(b"a" * (most + 1))
    with pytest.raises(CfgError, match="is larger than 1,048,576 bytes"):
        read_names(tmp_path / "x.names", 1)
