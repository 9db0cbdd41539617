"""detect as a command."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from converter import convert, errors
from converter.cli.detect import in_order
from converter.cli.main import main

ROOT = Path(__file__).parents[3]
SHAPES = ROOT / "tests" / "data" / "shapes"
PICTURE = SHAPES / "images" / "0003.png"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return str(convert(SHAPES / "shapes.weights", target).output)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working directory with two pictures in a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("0003.png", "0010.png"):
        (tmp_path / "photos" / name).write_bytes((SHAPES / "images" / name).read_bytes())
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_line_for_every_object(checkpoint, here, capsys):
    assert main(["detect", checkpoint, "photos/0003.png", "--threshold", "0.5"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    # 0003.expected.json: six objects above 0.5; the likeliest is a circle, 0.99994
    assert len(lines) == 6
    assert lines[0].startswith("photos/0003.png: circle 100.0% [")
    assert err == "drawn on a copy: detections/0003.png\n"
    assert files(here / "detections") == {"0003.png"}


def test_remarks_that_are_not_printed_are_listed_where_it_says(here, capsys):
    """It said "which --json lists", and that of detect has none."""
    for name in ("shapes.weights", "shapes.cfg"):
        (here / name).write_bytes((SHAPES / name).read_bytes())
    words = "".join(f"word{i}\n" for i in range(13))
    cfg = (here / "shapes.cfg").read_text()
    (here / "shapes.cfg").write_text(cfg.replace("[net]\n", f"[net]\n{words}"))
    assert main(["detect", "shapes.weights", "photos/0003.png"]) == 0
    said = capsys.readouterr().err
    assert "warning: and 3 more such remarks, which info --json lists\n" in said
    assert "word12" not in said
    assert main(["info", "shapes.weights", "--json"]) == 0
    listed = [warning["text"] for warning in json.loads(capsys.readouterr().out)["warnings"]]
    assert [text.split()[0] for text in listed] == words.split()


class TestWithoutNames:
    @pytest.fixture
    def unnamed(self, here):
        for name in ("shapes.weights", "shapes.cfg"):
            (here / name).write_bytes((SHAPES / name).read_bytes())
        return str(convert(here / "shapes.weights", here / "x.safetensors").output)

    def test_how_to_give_them_is_said_once(self, unnamed, here, capsys):
        assert main(["detect", unnamed, "photos", "--threshold", "0.5"]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("photos/0003.png: 0 100.0% [")
        assert err.splitlines()[0] == (
            f"class names: none in {unnamed}, classes are numbers; give them with --names FILE"
        )
        assert err.count("--names") == 1

    def test_those_beside_it_are_proposed_and_not_taken(self, unnamed, here, capsys):
        (here / "obj.names").write_bytes((SHAPES / "shapes.names").read_bytes())
        assert main(["detect", unnamed, "photos/0003.png", "--threshold", "0.5"]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("photos/0003.png: 0 100.0% [")
        assert err.splitlines()[0] == (
            f"class names: none in {unnamed}, classes are numbers; if they are those in obj.names,"
            f" give --names {here}/obj.names"
        )

    def test_once_they_are_given_nothing_is_said(self, unnamed, here, capsys):
        names = str(SHAPES / "shapes.names")
        arguments = [unnamed, "photos/0003.png", "--threshold", "0.5", "--names", names]
        assert main(["detect", *arguments]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("photos/0003.png: circle 100.0% [")
        assert "names" not in err

    def test_a_known_list_has_to_fit(self, unnamed, here, capsys):
        assert main(["detect", unnamed, "photos/0003.png", "--names", "coco"]) == 1
        assert "coco: has 80 names, the network has 3 classes" in capsys.readouterr().err


def test_it_says_where_the_copies_are(checkpoint, here, capsys):
    assert main(["detect", checkpoint, "photos", "-o", "out"]) == 0
    assert capsys.readouterr().err == "drawn on 2 copies, in out\n"
    for option in ("-q", "--json"):
        assert main(["detect", checkpoint, "photos", "-o", "out", option]) == 0
        assert capsys.readouterr().err == ""


def test_a_picture_s_name_is_no_folder_s(checkpoint, here, capsys):
    assert main(["detect", checkpoint, "photos/0003.png", "-o", "found.JPG"]) == 2
    assert capsys.readouterr().err == (
        "error: found.JPG: is a picture's name, and copies go into a folder"
        " (give a folder's name with -o)\n"
    )
    assert not (here / "found.JPG").exists()
    (here / "found.JPG").mkdir()
    assert main(["detect", checkpoint, "photos/0003.png", "-o", "found.JPG"]) == 0


def test_the_copy_is_drawn_on(checkpoint, here):
    before = (here / "photos" / "0003.png").read_bytes()
    assert main(["detect", checkpoint, "photos/0003.png", "-o", "out/put"]) == 0
    assert (here / "photos" / "0003.png").read_bytes() == before
    with Image.open(PICTURE) as plain, Image.open(here / "out" / "put" / "0003.png") as drawn:
        assert drawn.size == plain.size
        assert drawn.tobytes() != plain.convert("RGB").tobytes()


def test_json(checkpoint, here, capsys):
    arguments = [checkpoint, "photos/0003.png", "--threshold", "0.5", "--json"]
    assert main(["detect", *arguments, "--bn", "pjreddie-cpu"]) == 0
    out, _ = capsys.readouterr()
    answer = json.loads(out)
    assert answer.keys() == {"schema", "images"}
    assert answer["schema"] == 1
    (image,) = answer["images"]
    expected = json.loads(PICTURE.with_suffix(".expected.json").read_text())
    assert {key: image[key] for key in ("path", "width", "height")} == {
        "path": "photos/0003.png",
        "width": expected["width"],
        "height": expected["height"],
    }
    wanted = sorted(expected["thresh_0.5"], key=lambda row: -row["prob"])
    assert len(image["detections"]) == len(wanted)
    for row, theirs in zip(image["detections"], wanted, strict=True):
        assert row.keys() == {"class", "label", "score", "box"}
        assert (row["class"], row["label"]) == (theirs["class"], theirs["name"])
        assert row["score"] == pytest.approx(theirs["prob"], abs=1e-5)
        x, y, w, h = (theirs[key] for key in "xywh")
        sides = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        assert row["box"] == pytest.approx(sides, abs=1e-3)


def test_nothing_found(checkpoint, here, capsys):
    Image.new("RGB", (40, 30)).save("black.png")
    assert main(["detect", checkpoint, "black.png"]) == 0
    assert capsys.readouterr().out == "black.png: nothing above 0.25\n"


def test_folders_patterns_and_batches(checkpoint, here, capsys):
    Path("photos/notes.txt").write_text("no picture")
    asked = ["photos", "photos/*3.png", "photos/0010.png"]
    answers = []
    for batch in ("1", "2", "8"):
        assert main(["detect", checkpoint, *asked, "--json", "--batch", batch]) == 0
        images = json.loads(capsys.readouterr().out)["images"]
        answers.append([(image["path"], len(image["detections"])) for image in images])
    # each once, in the order asked for
    assert [path for path, _ in answers[0]] == ["photos/0003.png", "photos/0010.png"]
    assert answers[0] == answers[1] == answers[2]


class TestLists:
    def test_pictures_of_a_list(self, checkpoint, here, capsys):
        """Darknet's, from the working directory, and one beside the list."""
        Path("lists").mkdir()
        Path("photos/0010.png").rename("lists/0010.png")
        Path("lists/valid.txt").write_text("photos/0003.png\n0010.png\nnone.png\n")
        assert main(["detect", checkpoint, "lists/valid.txt", "--json"]) == 1
        out, err = capsys.readouterr()
        paths = [image["path"] for image in json.loads(out)["images"]]
        assert paths == ["photos/0003.png", "lists/0010.png"]
        assert err.startswith("error: lists/valid.txt: line 3: 'none.png' is no file")

    def test_it_is_never_overwritten(self, checkpoint, here, capsys):
        """0003.txt lists the picture, and would become its labels."""
        Path("0003.txt").write_text("photos/0003.png\n")
        assert main(["detect", checkpoint, "0003.txt", "-o", ".", "--save-txt", "--force"]) == 2
        assert "would replace what was given" in capsys.readouterr().err
        assert Path("0003.txt").read_text() == "photos/0003.png\n"


def test_subfolders(checkpoint, here, capsys):
    Path("photos/more").mkdir()
    Path("photos/0010.png").rename("photos/more/0003.png")
    for _ in range(2):  # copies of the first time are no pictures the second time
        assert main(["detect", checkpoint, ".", "-r", "-o", "out"]) == 0
        assert capsys.readouterr().err == "drawn on 2 copies, in out\n"
    assert files(here / "out" / "photos") == {"0003.png", "more"}
    assert files(here / "out" / "photos" / "more") == {"0003.png"}


def test_a_video_is_opencvs(checkpoint, here, capsys):
    Path("clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    assert main(["detect", checkpoint, "clip.mp4"]) == 1
    assert capsys.readouterr().err == (
        "error: clip.mp4: is a video (read its frames with cv2.VideoCapture, as the README shows)\n"
    )


class TestChoosing:
    def labels(self, capsys, *arguments):
        assert main(["detect", *arguments, "photos/0003.png", "--json"]) == 0
        (image,) = json.loads(capsys.readouterr().out)["images"]
        return [each["label"] for each in image["detections"]]

    def test_classes(self, checkpoint, here, capsys):
        everything = self.labels(capsys, checkpoint)
        assert set(everything) == {"circle", "square", "triangle"}
        for chosen in ("circle,triangle", "0, 2", "triangle,0"):
            found = self.labels(capsys, checkpoint, "--classes", chosen)
            assert found == [label for label in everything if label != "square"]

    def test_classes_that_there_are_not(self, checkpoint, here, capsys):
        assert main(["detect", checkpoint, "photos", "--classes", "circle,cat"]) == 2
        assert capsys.readouterr().err == (
            "error: 'cat' is no class of the network, whose classes are circle, square, triangle"
            " (or 0 to 2)\n"
        )

    def test_the_likeliest(self, checkpoint, here, capsys):
        everything = self.labels(capsys, checkpoint)
        assert self.labels(capsys, checkpoint, "--max", "2") == everything[:2]
        assert main(["detect", checkpoint, "photos", "--max", "0"]) == 2

    def test_whatever_the_classes(self, checkpoint, here, capsys):
        """A triangle at 0.92 has the box of a square at 0.077: val-detections.jsonl."""
        Path("photos/0003.png").write_bytes((SHAPES / "val" / "0024.png").read_bytes())
        everything = self.labels(capsys, checkpoint, "--threshold", "0.05")
        found = self.labels(capsys, checkpoint, "--threshold", "0.05", "--agnostic")
        assert 0 < len(found) < len(everything)


def test_classes_that_are_not_shown(checkpoint, here, capsys):
    """By AlexeyAB's darknet they are neither drawn nor printed; labels and figures have them."""
    Path("x.names").write_text("circle\ndont_show_square\ntriangle\n")
    options = ["photos/0003.png", "--names", "x.names", "--threshold", "0.5", "--save-txt"]
    assert main(["detect", checkpoint, *options]) == 0
    out, err = capsys.readouterr()
    truth = PICTURE.with_suffix(".txt").read_text().splitlines()
    squares = sum(line.startswith("1 ") for line in truth)
    assert squares > 0
    assert len(out.splitlines()) == len(truth) - squares
    assert "dont_show" not in out
    assert len(Path("detections/0003.txt").read_text().splitlines()) == len(truth)
    assert err == "drawn on a copy, with labels (.txt): detections/0003.png\n"
    drawn = Path("detections/0003.png").read_bytes()
    assert main(["detect", checkpoint, *options[:-1], "--classes", "0,2"]) == 0
    assert Path("detections/0003.png").read_bytes() == drawn
    capsys.readouterr()
    figures = []
    for names in ("x.names", str(SHAPES / "shapes.names")):
        evaluate = ["evaluate", checkpoint, str(SHAPES / "val"), "--names", names]
        assert main([*evaluate, "--points", "0", "--batch", "8", "--json"]) == 0
        figures.append(capsys.readouterr().out.replace("dont_show_", ""))
    assert figures[0] == figures[1]


def test_a_name_with_brackets_is_no_pattern(checkpoint, here):
    Path("photos/0003.png").rename("photos/[1].png")
    assert main(["detect", checkpoint, "photos/[1].png"]) == 0
    assert files(here / "detections") == {"[1].png"}


def test_pictures_of_the_same_name(checkpoint, here):
    Path("more").mkdir()
    Image.open("photos/0003.png").convert("RGB").save("more/0003.jpg")
    Image.open("photos/0003.png").save("more/0003.bmp")
    assert main(["detect", checkpoint, "photos/0003.png", "more"]) == 0
    assert files(here / "detections") == {"0003.png", "0003-2.png", "0003-3.jpg"}


def test_a_broken_picture_does_not_stop_the_rest(checkpoint, here, capsys):
    Path("photos/0004.png").write_bytes(PICTURE.read_bytes()[:1000])
    assert main(["detect", checkpoint, "photos", "none.png", "--json"]) == 1
    out, err = capsys.readouterr()
    paths = [image["path"] for image in json.loads(out)["images"]]
    assert paths == ["photos/0003.png", "photos/0010.png"]
    first, second = err.splitlines()
    assert first.startswith("error: photos/0004.png: cannot be read: ")
    assert second == "error: none.png: cannot be read: No such file or directory (check the path)"
    assert files(here / "detections") == {"0003.png", "0010.png"}


def test_nothing_where_pictures_should_be(checkpoint, here, capsys):
    """That is an error, and the rest goes on; a folder is no picture, whatever its name."""
    Path("empty/folder.png").mkdir(parents=True)
    Path("photos/loop").symlink_to("loop")
    assert main(["detect", checkpoint, "photos"]) == 0
    capsys.readouterr()
    for argument in ("empty", "photos/*.jpg"):
        assert main(["detect", checkpoint, argument, "photos/0003.png"]) == 1
        out, err = capsys.readouterr()
        assert err == (
            f"error: {argument}: has no pictures in it (check the path)\n"
            "drawn on a copy: detections/0003.png\n"
        )
        assert out.startswith("photos/0003.png: circle")


def test_no_picture_at_all_is_one_line(checkpoint, here, capsys):
    """It divided by the number of pictures."""
    Path("empty").mkdir()
    assert main(["detect", checkpoint, "empty"]) == 1
    assert capsys.readouterr() == ("", "error: empty: has no pictures in it (check the path)\n")
    assert main(["detect", checkpoint, "none.txt", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": 1, "images": []}
    assert err == "error: none.txt: cannot be read: No such file or directory (check the path)\n"


def test_a_name_that_is_none(checkpoint, here, capsys):
    assert main(["detect", checkpoint, ""]) == 2
    assert capsys.readouterr().err.startswith("error: an empty name")
    assert main(["detect", checkpoint, "n" * 300]) == 1
    assert "cannot be read: File name too long" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["0003.png", "0003.txt"])
@pytest.mark.parametrize("drawn_before", [False, True])
def test_what_others_wrote_is_replaced_only_by_force(checkpoint, here, capsys, name, drawn_before):
    """A picture or labels that stand where the copy should go. What else there is goes on."""
    command = [checkpoint, "photos", "-o", "out", "--save-txt"]
    if drawn_before:
        assert main(["detect", *command][:-1]) == 0
        capsys.readouterr()
    Path("out").mkdir(exist_ok=True)
    Path("out", name).write_text("precious")
    assert main(["detect", *command]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"error: out/{name}: exists already")
    assert "(replace it with --force" in err
    assert "photos/0003.png: circle" in out
    assert Path("out", name).read_text() == "precious"
    assert Path("out/0010.txt").exists()
    assert main(["detect", *command, "--force"]) == 0
    assert Path("out", name).read_bytes() != b"precious"


def test_a_fifo_where_the_copy_should_go(checkpoint, here, capsys):
    Path("detections").mkdir()
    os.mkfifo("detections/0003.png")
    assert main(["detect", checkpoint, "photos/0003.png"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_copies_are_replaced(checkpoint, here):
    assert main(["detect", checkpoint, "photos"]) == 0
    before = Path("detections/0003.png").read_bytes()
    assert main(["detect", checkpoint, "photos", "--threshold", "0.99"]) == 0
    assert Path("detections/0003.png").read_bytes() != before


def test_copies_of_jpegs_are_known_again(checkpoint, here):
    with Image.open(PICTURE) as picture:
        picture.convert("RGB").save("a.jpg")
    assert main(["detect", checkpoint, "a.jpg"]) == 0
    assert main(["detect", checkpoint, "a.jpg", "--threshold", "0.9"]) == 0


@pytest.mark.parametrize("output", [".", "photos", "photos/../photos", "link"])
def test_pictures_are_never_overwritten(checkpoint, here, capsys, output):
    Path("link").symlink_to("photos")
    before = Path("photos/0003.png").read_bytes()
    os.link("photos/0003.png", "0003.png")
    assert main(["detect", checkpoint, "photos/0003.png", "0003.png", "-o", output]) == 2
    assert "would replace what was given" in capsys.readouterr().err
    assert Path("photos/0003.png").read_bytes() == before


def test_not_through_a_link_either(checkpoint, here):
    Path("out").mkdir()
    Path("out/0003.png").symlink_to("../photos/0003.png")
    assert main(["detect", checkpoint, "photos/0003.png", "-o", "out"]) == 2


def test_labels_that_were_there_are_never_overwritten(checkpoint, here):
    Path("photos/0003.png").rename("photos/0003.bmp")  # whose copy is another file, 0003.png
    Path("photos/0003.txt").write_text("true labels")
    assert main(["detect", checkpoint, "photos/0003.bmp", "-o", "photos", "--save-txt"]) == 2
    assert Path("photos/0003.txt").read_text() == "true labels"


def test_save_txt(checkpoint, here):
    arguments = [checkpoint, "photos/0003.png", "--threshold", "0.5", "--save-txt"]
    assert main(["detect", *arguments]) == 0
    found = [line.split() for line in Path("detections/0003.txt").read_text().splitlines()]
    truth = [line.split() for line in PICTURE.with_suffix(".txt").read_text().splitlines()]
    # This detector finds exactly what is there, within some 5 % of the picture.
    assert sorted(row[0] for row in found) == sorted(row[0] for row in truth)
    for row in found:
        values = [float(value) for value in row[1:]]
        assert all(0 <= value <= 1 for value in values)
        nearest = min(
            max(abs(a - float(b)) for a, b in zip(values, other[1:], strict=True))
            for other in truth
            if other[0] == row[0]
        )
        assert nearest < 0.05


def test_checkpoints_that_are_refused(here, capsys, sample):
    article = convert(sample.weights, "article.safetensors", family="article")
    Path("text.safetensors").write_text("no checkpoint")
    for path in (article.output, "text.safetensors", "none.safetensors"):
        assert main(["detect", str(path), "photos/0003.png"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {path}: ")
        assert err.count("\n") == 1
    assert not Path("detections").exists()


def test_an_output_that_cannot_be(checkpoint, here, capsys):
    Path("file").write_text("")
    assert main(["detect", checkpoint, "photos/0003.png", "-o", "file/below"]) == 1
    assert capsys.readouterr().err.startswith("error: file/below: cannot be made a folder: ")


def test_what_is_read_ahead_and_saved_behind():
    """While the first of three is in use, the second is worked on, and the third is not begun."""
    begun = [threading.Event() for _ in range(3)]

    def work(item):
        begun[item].set()
        return 10 * item

    with ThreadPoolExecutor(3) as threads:
        results = in_order(threads, work, range(3), 1)
        assert next(results) == 0
        assert begun[1].wait(10)
        assert not begun[2].wait(0.2)
        assert list(results) == [10, 20]


def test_the_order_is_that_of_the_pictures():
    """The first is done last."""
    second = threading.Event()

    def work(item):
        if item == 0:
            assert second.wait(10)
        second.set()
        return item

    with ThreadPoolExecutor(2) as threads:
        assert list(in_order(threads, work, range(5), 2)) == [0, 1, 2, 3, 4]


def test_threads_know_that_a_command_is_running():
    with ThreadPoolExecutor(2) as threads:
        assert list(in_order(threads, errors.argument, ["--force"] * 3, 1)) == ["force=True"] * 3
        with errors.running("detect"):
            assert list(in_order(threads, errors.argument, ["--force"] * 3, 1)) == ["--force"] * 3


def test_warnings_of_pillow_in_several_threads(checkpoint, here, capfd):
    """Of an EXIF that ends too early, for example: none is shown, and others are shown after it."""
    with Image.open(PICTURE) as picture:
        for i in range(8):
            picture.convert("RGB").save(f"{i}.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    before = list(warnings.filters)
    assert main(["detect", checkpoint, "*.jpg", "--batch", "4"]) == 0
    assert warnings.filters == before
    assert capfd.readouterr().err == "drawn on 8 copies, in detections\n"


def test_interrupted(checkpoint, here):
    """What is printed is on a whole copy, and nothing else is left."""
    pytest.importorskip("torch")  # missing where other Pythons are tried
    for i in range(100, 400):
        os.link("photos/0003.png", f"photos/{i:04}.png")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "converter", "detect", checkpoint, "photos", "--batch", "4"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    printed = {line.split("/")[1][:8] for line in (first + out).splitlines()}
    copies = files(here / "detections")
    assert printed <= copies
    assert len(copies) < 300
    for name in copies:
        with Image.open(here / "detections" / name) as copy:
            copy.load()


def test_progress_on_a_terminal(checkpoint, here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["detect", checkpoint, "photos"]) == 0
    err = capsys.readouterr().err
    assert re.search(r"1 of 2 pictures, \S+ a second, 0:0\d:\d\d left", err)
    assert err.endswith("\rdrawn on 2 copies, in detections\n")
    assert main(["detect", checkpoint, "photos", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
