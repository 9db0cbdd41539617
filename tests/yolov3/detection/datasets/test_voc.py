"""Pascal VOC's XML files."""

import pytest

from converter.errors import DatasetError
from yolov3.detection.datasets import read_dataset

NAMES = ["circle", "square", "triangle"]

OBJECT = """\
  <object>
    <name>{name}</name>
    <pose>Left</pose>
    <difficult>{difficult}</difficult>
    <bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>35.5</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>
    </part>
  </object>
"""


def annotation(*objects):
    """VOC's XML of a picture; ``objects`` are name and difficult."""
    inside = "".join(OBJECT.format(name=name, difficult=difficult) for name, difficult in objects)
    return (
        "<annotation>\n  <filename>somewhere/else.jpg</filename>\n"
        f"  <size><width>100</width><height>50</height></size>\n{inside}</annotation>\n"
    )


@pytest.fixture
def voc(tmp_path):
    """VOC's own folders, with two pictures, of which the second is for testing."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    for name, objects in (("000001", [("square", 0), ("circle", 1)]), ("000002", [])):
        (tmp_path / "Annotations" / f"{name}.xml").write_text(annotation(*objects))
        (tmp_path / "JPEGImages" / f"{name}.jpg").write_text("")
    (tmp_path / "ImageSets/Main/test.txt").write_text("000002\n")
    return tmp_path


def test_all_of_a_folder(voc):
    first, second = read_dataset(voc, 3, NAMES).samples
    assert first.path == voc / "JPEGImages/000001.jpg"
    assert not first.relative
    # counted from 1, and as wide as the corners are apart: AB scripts/voc_label.py:10
    assert [(t.label, t.box, t.difficult) for t in first.truths] == [
        (1, (10, 5, 19, 29.5), False),
        (0, (10, 5, 19, 29.5), True),
    ]
    assert second.truths == ()


def test_a_list_of_vocs(voc):
    path = voc / "ImageSets/Main/test.txt"
    (sample,) = read_dataset(path, 3, NAMES).samples
    assert sample.path.name == "000002.jpg"
    path.write_text("000002 -1\n000001  1\n")  # of one class: the lists have a second column
    assert len(read_dataset(path, 3, NAMES).samples) == 2
    for name in ("000003", "../Annotations/000001"):
        path.write_text(f"000002\n{name}\n")
        with pytest.raises(DatasetError, match=rf"test.txt: line 2: {name} has no XML file"):
            read_dataset(path, 3, NAMES)


def test_xml_beside_the_pictures(tmp_path):
    (tmp_path / "a.png").write_text("")
    (tmp_path / "a.xml").write_text(annotation(("triangle", 0)))
    (sample,) = read_dataset(tmp_path, 3, NAMES).samples
    assert [truth.label for truth in sample.truths] == [2]


def test_pictures_elsewhere(voc):
    (voc / "JPEGImages").rename(voc / "photos")
    with pytest.raises(
        DatasetError, match=r"000001.xml: the picture 000001 is not there.* with images=\)"
    ):
        read_dataset(voc, 3, NAMES)
    assert len(read_dataset(voc, 3, NAMES, voc / "photos").samples) == 2


def test_classes_are_found_by_name(voc):
    with pytest.raises(DatasetError, match="no class of the network: 'circle', 'square'"):
        read_dataset(voc, 2, ["round", "triangle"])
    dataset = read_dataset(voc, 2, ["round", "triangle"], by_order=True)  # of the alphabet
    assert [truth.label for truth in dataset.samples[0].truths] == [1, 0]


EXPAND = """<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (EXPAND + annotation(("&c;", 0)), "line 1: has a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + annotation(), "line 1: has a document type"),
        ("<a>", "line 1: is not VOC's annotation format"),
        ("<annotation>\n", "line 2: is not XML: no element found"),
        ("", "line 1: is not XML: no element found"),
        ("{}", "line 1: is not XML: not well-formed"),
        ("<annotation>\n&b;</annotation>", "line 2: is not XML: undefined entity"),
        ("<annotation>" + "\n<a>" * 16, "line 17: is nested deeper than 16"),
        ('<?xml version="1.0" encoding="x"?><annotation/>', "line 1: is not XML: unknown encoding"),
        (annotation(("square", "x")), r"line 4: is not VOC's object \(invalid literal"),
        (annotation(("square", 0)).replace("30<", "nan<"), "line 4: is not VOC's object .* no box"),
        (annotation(("square", 0)).replace("30<", "3<"), "line 4: is not VOC's object .* no box"),
        (annotation(("square", 0)).replace("30<", "1e9<"), "line 4: is not VOC's object .* no box"),
        (annotation(("a", 0)).replace("bndbox", "box"), r"line 4: is not VOC's object \(no 'xmin'"),
        (annotation(("a", 0)).replace("name>", "n>"), r"line 4: is not VOC's object \(no 'name'"),
    ],
)
def test_files_that_make_no_sense(voc, text, problem):
    (voc / "Annotations/000002.xml").write_text(text)
    with pytest.raises(DatasetError, match=f"000002.xml: {problem}"):
        read_dataset(voc, 3, NAMES)


def test_a_file_of_a_megabyte_is_read_to_its_end(voc):
    """A million characters in one field, or 170,000 elements side by side."""
    path = voc / "Annotations/000002.xml"
    for inside in ("<object><name>" + "a" * 1_000_000, "<object>" * 14 + "<a/>" * 170_000):
        path.write_text(f"<annotation>{inside}")
        with pytest.raises(DatasetError, match="line 1: is not XML: no element found"):
            read_dataset(voc, 3, NAMES)
    with open(path, "wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(DatasetError, match="is larger than 1,048,576 bytes"):
        read_dataset(voc, 3, NAMES)
