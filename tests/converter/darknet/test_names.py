"""Class names as Darknet reads them: a line each, and nothing else means anything."""

import os
from pathlib import Path

import pytest

from converter.class_names import CLASS_NAMES
from converter.darknet.names import is_built_in, read_names, suggest_names
from converter.errors import CfgError, UsageError, running
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
        f"{path}: line 2, byte 4: is not UTF-8 text"
        " (name its encoding with names_encoding=, or save it as UTF-8)"
    )
    assert read_names(path, 3, encoding) == ["cat", *names]


def test_an_encoding_that_does_not_exist(tmp_path):
    (tmp_path / "x.names").write_text("cat")
    with pytest.raises(UsageError, match="'nonsense' is no encoding"):
        read_names(tmp_path / "x.names", 1, "nonsense")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# How many there are: COCO's annotations of 2014 to 2017; the boxable classes of Open Images; VOC's.
@pytest.mark.parametrize(("name", "classes"), [("coco", 80), ("openimages", 601), ("voc", 20)])
def test_a_known_list_has_a_name(here, name, classes):
    assert is_built_in(name)
    names = read_names(Path(name), classes)
    assert names == list(CLASS_NAMES[name])
    assert len(set(names)) == classes
    assert "bicycle" in map(str.lower, names)


def test_a_known_list_has_to_fit_as_well(here):
    with pytest.raises(CfgError, match="coco: has 80 names, the network has 3 classes"):
        read_names(Path("coco"), 3)


def test_a_file_of_its_name_comes_first(here):
    (here / "coco").write_text("circle\n")
    assert not is_built_in("coco")
    assert read_names(Path("coco"), 1) == ["circle"]


def test_no_other_name_is_a_list(here):
    with pytest.raises(CfgError, match="cannot be read: No such file"):
        read_names(Path("COCO"), 80)
    with pytest.raises(CfgError, match="cannot be read: No such file"):
        read_names(Path("./lists/coco"), 80)


class TestSuggestions:
    @pytest.mark.parametrize(("classes", "name"), [(80, "coco"), (20, "voc"), (601, "openimages")])
    def test_a_list_of_so_many(self, tmp_path, classes, name):
        assert suggest_names(tmp_path / "x.weights", classes) == (
            f"if its {classes} classes are those of {name}, give names={name!r}"
        )

    def test_a_file_beside_it_comes_first(self, tmp_path):
        (tmp_path / "a.names").write_text("too\nfew\n")
        (tmp_path / "b.names").write_bytes(b"\xff\0")
        (tmp_path / "obj.names").write_text("name\n" * 80)
        assert suggest_names(tmp_path / "x.weights", 80) == (
            f"if they are those in obj.names, give names='{tmp_path}/obj.names'"
        )

    def test_darknets_own_folder_of_them_is_looked_at(self, tmp_path):
        for folder in ("backup", "data"):
            (tmp_path / folder).mkdir()
        (tmp_path / "data/obj.names").write_text("a\nb\n")
        assert suggest_names(tmp_path / "backup/x_last.weights", 2) == (
            f"if they are those in obj.names, give names='{tmp_path}/data/obj.names'"
        )
        assert suggest_names(tmp_path / "x.weights", 2).endswith(f"='{tmp_path}/data/obj.names'")

    def test_to_a_command_a_path_is_quoted(self, tmp_path):
        folder = tmp_path / "my nets"
        folder.mkdir()
        (folder / "obj.names").write_text("a\nb\n")
        with running("convert", "x.weights"):
            found = suggest_names(folder / "x.weights", 2)
        assert found.endswith(f" --names '{folder}/obj.names'")

    @pytest.mark.parametrize("classes", [None, 0, 3])
    def test_where_nothing_fits_there_is_none(self, tmp_path, classes):
        assert suggest_names(tmp_path / "x.weights", classes) is None


class TestDataFiles:
    """As AlexeyAB's guide to training has them: data/obj.data names data/obj.names."""

    @pytest.fixture
    def project(self, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data/obj.names").write_bytes(b"a\nb\n")
        (tmp_path / "data/obj.data").write_bytes(
            b"classes = 2\r\ntrain  = data/train.txt\r\n#names = data/no.names\r\n"
            b"names = data/obj.names\r\nnames = data/second.names\r\nbackup = backup/\r\n"
        )
        return tmp_path

    @pytest.mark.parametrize("here", ["", "data", ".."])
    def test_its_names_are_read(self, project, monkeypatch, here):
        monkeypatch.chdir(project / here)
        path = Path(os.path.relpath(project / "data/obj.data"))
        assert read_names(path, 2) == ["a", "b"]

    def test_beside_it_and_by_the_older_key(self, project):
        (project / "data/obj.data").write_text("labels=obj.names")
        assert read_names(project / "data/obj.data", 2) == ["a", "b"]

    def test_a_line_that_darknet_warns_of_and_skips(self, project, caplog):
        path = project / "data/obj.data"
        path.write_text("classes = 2\nbackup =\nnames = obj.names\n")
        assert read_names(path, 2) == ["a", "b"]
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            ("WARNING", f"{path}: line 2: backup= has no value: Darknet reads on without it")
        ]

    def test_spaces_mean_nothing_in_it(self, project):
        (project / "data/obj.data").write_text("n ames = data / obj. names")
        assert read_names(project / "data/obj.data", 2) == ["a", "b"]

    def test_the_file_with_the_wrong_number_is_blamed(self, project):
        with pytest.raises(CfgError, match=r"obj\.names: has 2 names, the network has 3 classes"):
            read_names(project / "data/obj.data", 3)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("classes=2\n", "has no names= (give the .names file itself)"),
            (
                "names=no.names",
                "line 1: names = no.names is not there (paths are taken from the working directory,"
                " or from the file's folder)",
            ),
            ("classes=2\nnames\n", "has no names= (give the .names file itself)"),
        ],
    )
    def test_without_names(self, project, text, message):
        path = project / "data/obj.data"
        path.write_text(text)
        with pytest.raises(CfgError) as refused:
            read_names(path, 2)
        assert str(refused.value) == f"{path}: {message}"
