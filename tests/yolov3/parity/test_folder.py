"""Many cfgs: which, in what order, and what an earlier run has found."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from converter.errors import UsageError, argument, running
from yolov3.parity import folder
from yolov3.parity.engines import Limits
from yolov3.parity.examine import Case, Verdict
from yolov3.parity.folder import examine_all, find_cfgs, markdown


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)


class TestFinding:
    def test_a_folder_with_all_that_is_in_it(self, tmp_path):
        write(tmp_path / "b.cfg", tmp_path / "old" / "a.cfg", tmp_path / "b.weights")
        assert find_cfgs([tmp_path]) == {
            tmp_path / "b.cfg": "b.cfg",
            tmp_path / "old/a.cfg": "old/a.cfg",
        }

    def test_several_are_called_by_their_paths(self, tmp_path):
        write(tmp_path / "x" / "a.cfg", tmp_path / "y" / "a.cfg", tmp_path / "net.txt")
        arguments = [tmp_path / "x", tmp_path / "y", tmp_path / "net.txt"]
        found = find_cfgs(arguments)
        assert list(found) == [tmp_path / "x/a.cfg", tmp_path / "y/a.cfg", tmp_path / "net.txt"]
        assert all(name == str(path) for path, name in found.items())

    def test_nothing(self, tmp_path):
        with pytest.raises(UsageError, match=r"holds no \.cfg file"):
            find_cfgs([tmp_path])
        with pytest.raises(UsageError, match=r"no\.cfg: is not there"):
            find_cfgs([tmp_path / "no.cfg"])


@pytest.fixture
def cases(tmp_path):
    write(*(tmp_path / f"{name}.cfg" for name in "abc"))
    return [
        Case(path=path, name=path.name, dialect="pjreddie", library=Path("darknet.so"))
        for path in find_cfgs([tmp_path])
    ]


@pytest.fixture
def examined(monkeypatch):
    """Examines nothing; the names of the cfgs, and the limits of the last."""
    names = []

    def examine(case: Case, limits: Limits) -> Verdict:
        names.append(case.name)
        examine.limits = limits
        return Verdict(cfg=case.name, engine=case.dialect, result="exact", relative=1e-6)

    monkeypatch.setattr(folder, "examine", examine)
    examine.names = names
    return examine


class TestState:
    def test_a_second_run_does_what_is_left(self, cases, examined, tmp_path):
        state = tmp_path / "state.jsonl"
        first = list(examine_all(cases[:2], 1, 60, state))
        assert examined.names == ["a.cfg", "b.cfg"]
        again = list(examine_all(cases, 1, 60, state))
        assert examined.names == ["a.cfg", "b.cfg", "c.cfg"]
        assert again[:2] == first
        assert len(state.read_text().splitlines()) == 3

    @pytest.mark.parametrize(
        "change", [{"full": True}, {"device": "cuda"}, {"dialect": "alexeyab"}]
    )
    def test_what_is_run_otherwise_is_run_again(self, cases, examined, tmp_path, change):
        state = tmp_path / "state.jsonl"
        list(examine_all(cases[:1], 1, 60, state))
        facts = vars(cases[0])
        list(examine_all([Case(**{**facts, **change})], 1, 60, state))
        assert examined.names == ["a.cfg", "a.cfg"]

    def test_a_cfg_that_has_changed_is_run_again(self, cases, examined, tmp_path):
        state = tmp_path / "state.jsonl"
        list(examine_all(cases, 1, 60, state))
        cases[1].path.write_text("another")
        list(examine_all(cases, 1, 60, state))
        assert examined.names == ["a.cfg", "b.cfg", "c.cfg", "b.cfg"]

    def test_a_line_that_was_not_finished_is_cut_off(self, cases, examined, tmp_path):
        state = tmp_path / "state.jsonl"
        list(examine_all(cases, 1, 60, state))
        whole = state.read_bytes()
        state.write_bytes(whole[:-5])
        list(examine_all(cases, 1, 60, state))
        assert examined.names[3:] == ["c.cfg"]
        assert state.read_bytes() == whole

    @pytest.mark.parametrize(
        "content", ["[net]\nwidth=3\n", "[]\n", '{"a": 1}\n', '[1, {"b": 2}]\n', "x"]
    )
    def test_another_file_is_left_alone(self, cases, examined, tmp_path, content):
        state = tmp_path / "net.cfg"
        state.write_text(content)
        with pytest.raises(UsageError, match="is no file that this command wrote"):
            list(examine_all(cases, 1, 60, state))
        assert state.read_text() == content

    def test_values_that_are_not_finite_stay_json(self, cases, monkeypatch, tmp_path):
        state = tmp_path / "state.jsonl"
        verdict = Verdict(cfg="a.cfg", engine="pjreddie", result="differs", relative=None)
        monkeypatch.setattr(folder, "examine", lambda case, limits: verdict)
        list(examine_all(cases[:1], 1, 60, state))
        _, facts = json.loads(state.read_text())
        assert facts["relative"] is None


def test_remedies_name_the_options_of_the_command(cases, monkeypatch):
    """The verdict of a refusal has its remedy, as of a batch norm without shift: ``--dialect``."""

    def examine(case: Case, limits: Limits) -> Verdict:
        here = argument("--dialect", "alexeyab")
        return Verdict(cfg=case.name, engine=case.dialect, result="refused", here=here)

    monkeypatch.setattr(folder, "examine", examine)
    with running():
        verdicts = list(examine_all(cases, 2, 60))
    assert [verdict.here for verdict in verdicts] == ["--dialect alexeyab"] * 3


def test_without_a_caller_the_engines_are_stopped(cases, examined):
    with closing(examine_all(cases, 1, 60)) as verdicts:
        next(verdicts)
        assert not examined.limits.stop.is_set()
    assert examined.limits.stop.is_set()
    assert examined.limits.seconds == 60


def test_the_table():
    verdicts = [
        Verdict(
            cfg="a.cfg", engine="pjreddie", result="exact", layers=2, floats=1234, same_file=True,
            worst="layer 1 [yolo]", relative=2.04e-7, excused=1,
        ),
        Verdict(cfg="b.cfg", engine="alexeyab", result="refused by both", here="a|b", there="c\n"),
    ]  # fmt: skip
    assert markdown(verdicts).splitlines()[2:] == [
        "| a | pjreddie | exact | 2 | 1,234 | yes | layer 1 [yolo] | 2.0e-07 | 1 |  |",
        "| b | alexeyab | refused by both |  |  |  |  |  |  | a\\|b; c\\n |",
    ]
