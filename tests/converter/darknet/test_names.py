"""Class names as Darknet reads them: a line each, and nothing else means anything."""

import pytest

from converter.darknet.names import read_names
from converter.errors import CfgError, UsageError
from converter.files.source import COMPANION_BYTES


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"circle\nsquare\n", ["circle", "square"]),
        (b"\xef\xbb\xbfcircle\r\nsquare", ["circle", "square"]),  # BOM, line ends of Windows
        ("Käse\n\u732b\n".encode(), ["Käse", "\u732b"]),
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


@pytest.mark.parametrize(
    ("encoding", "names"), [("cp949", ["사람", "자동차"]), ("gbk", ["人", "汽车"])]
)
def test_another_encoding_is_named_or_refused(tmp_path, encoding, names):
    path = tmp_path / "x.names"
    path.write_bytes("\n".join(["cat", *names]).encode(encoding))
    with pytest.raises(CfgError) as caught:
        read_names(path, 3)
    assert str(caught.value) == (
        f"{path}: byte 4: is not UTF-8 text"
        " (name its encoding with --names-encoding, or save it as UTF-8)"
    )
    assert read_names(path, 3, encoding) == ["cat", *names]


def test_an_encoding_that_does_not_exist(tmp_path):
    (tmp_path / "x.names").write_text("cat")
    with pytest.raises(UsageError, match="'nonsense' is no encoding"):
        read_names(tmp_path / "x.names", 1, "nonsense")
