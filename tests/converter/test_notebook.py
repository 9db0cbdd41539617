"""What notebooks show."""

import sys
from operator import attrgetter
from types import ModuleType, SimpleNamespace

import pytest

import converter
import yolov3
from converter import convert, info, revert, verify
from converter.notebook import Record, progress_bar, table
from converter.version import VERSION
from tests.converter.toy_detector import WEIGHTS, detector_served


def test_values_are_text_whatever_they_are():
    assert table([("<b>", 3), ("a & b", None)], ("x", "y")) == (
        "<table><tr><th>x</th><th>y</th></tr>"
        "<tr><td>&lt;b&gt;</td><td>3</td></tr><tr><td>a &amp; b</td><td>None</td></tr></table>"
    )


def test_without_a_head():
    assert table([("a",)]) == "<table><tr><td>a</td></tr></table>"


class Done(Record):
    shown = "name", "inner.count", "gone", "gone.count", "inner.nothing"

    def __init__(self):
        self.name, self.gone = "<a>", None
        self.inner = SimpleNamespace(count=2, nothing=None)


def test_a_record_is_a_line_of_what_is_known_of_it():
    assert repr(Done()) == "Done(name='<a>', inner.count=2)"


def test_a_record_is_a_table_in_a_notebook():
    assert Done()._repr_html_() == (
        "<table><tr><td>name</td><td>&lt;a&gt;</td></tr>"
        "<tr><td>inner.count</td><td>2</td></tr></table>"
    )


def test_what_the_public_functions_return_is_read_at_a_glance(sample, tmp_path):
    done = convert(sample.weights)
    foreign = tmp_path / "foreign.weights"  # of which nothing is known but its size
    foreign.write_bytes(sample.weights.read_bytes()[:5000])
    for record in (
        done,
        revert(done.output, tmp_path / "back.weights"),
        info(done.output),
        info(sample.weights),
        info(sample.cfg),
        info(foreign),
        verify(sample.weights, done.output),
    ):
        assert repr(record).startswith(f"{type(record).__name__}(")
        assert len(repr(record)) < 1000
        html = record._repr_html_()
        assert html.startswith("<table><tr>")
        assert len(html) < 1500
        # Whoever sees a name asks for it; they were those of as_dict().
        for name, value in record._facts():
            assert attrgetter(name)(record) == value
            assert f"<td>{name}</td>" in html


def test_what_is_shown_of_a_conversion(sample):
    shown = dict(convert(sample.weights)._facts())
    assert shown["status"] == "converted"
    assert shown["output"] == sample.checkpoint
    assert (shown["metadata.family"], shown["metadata.classes"]) == ("yolov3", 3)
    assert shown["verified"] is True


@pytest.mark.parametrize("package", [converter, yolov3])
def test_all_public_names_are_there(package):
    assert package.__version__ == VERSION
    for name in package.__all__:
        assert getattr(package, name).__name__ in (name, "describe")
    assert set(package._LATE) <= set(package.__all__)
    assert {*package.__all__, "__version__", "__doc__"} <= set(dir(package))


class Bar:
    """As much of tqdm as is used: n of total."""

    def __init__(self, **options):
        self.options, self.n, self.total, self.seen = options, 0, None, []
        Bar.last = self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.seen.append("closed")

    def update(self, count):
        self.n += count
        self.seen.append((self.n, self.total))


class TestProgress:
    @pytest.fixture
    def tqdm(self, monkeypatch):
        module = ModuleType("tqdm.auto")
        module.tqdm = Bar
        monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
        monkeypatch.setitem(sys.modules, "tqdm.auto", module)
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))

    def test_a_download_in_a_notebook(self, tqdm, tmp_path, monkeypatch):
        with detector_served(monkeypatch):
            converter.download("toy", tmp_path)
        assert Bar.last.options["desc"] == "toy.weights"
        *_, end, closed = Bar.last.seen
        assert (end, closed) == ((len(WEIGHTS), len(WEIGHTS)), "closed")

    def test_elsewhere(self, tqdm, monkeypatch):
        monkeypatch.delitem(sys.modules, "ipykernel")
        with progress_bar("x") as shown:
            assert shown is None

    def test_without_tqdm(self, tqdm, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        with progress_bar("x") as shown:
            assert shown is None
