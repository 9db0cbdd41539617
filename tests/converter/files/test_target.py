"""The target that is whole or not there, and files of others that stay what they are."""

import errno
import os
import stat
from pathlib import Path

import pytest

from converter import convert, revert
from converter.errors import OutputError
from converter.files.target import Unfinished, replacing, replacing_both


class TestReplacing:
    def test_a_new_file_follows_the_umask(self, tmp_path):
        old = os.umask(0o027)
        try:
            with replacing(tmp_path / "new", 1) as file:
                file.write(b"x")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
        assert (tmp_path / "new").read_bytes() == b"x"

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o777])
    def test_a_replaced_file_keeps_its_mode(self, tmp_path, mode):
        target = tmp_path / "target"
        target.write_bytes(b"old")
        target.chmod(mode)
        with replacing(target, 1) as file:
            file.write(b"new")
        assert target.read_bytes() == b"new"
        assert stat.S_IMODE(target.stat().st_mode) == mode

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
    def test_a_replaced_file_keeps_its_owner(self, tmp_path):
        target = tmp_path / "target"
        target.write_bytes(b"old")
        os.chown(target, 12345, 23456)
        with replacing(target, 1) as file:
            file.write(b"new")
        assert (target.stat().st_uid, target.stat().st_gid) == (12345, 23456)

    def test_a_symlink_stays_one(self, tmp_path):
        (tmp_path / "link").symlink_to("real")
        with replacing(tmp_path / "link", 1) as file:
            file.write(b"x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_bytes() == b"x"

    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
    def test_a_failure_leaves_what_was_there(self, tmp_path, failure):
        target = tmp_path / "target"
        target.write_bytes(b"old")
        with pytest.raises(failure), replacing(target, 1) as file:
            file.write(b"new")
            raise failure
        assert target.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["target"]

    def test_a_full_disk_is_reported_before_and_while_writing(self, tmp_path):
        with (
            pytest.raises(OutputError, match=r"needs [\d,]+ bytes"),
            replacing(tmp_path / "x", 1 << 60),
        ):
            pass
        with pytest.raises(OutputError, match="No space left"), replacing(tmp_path / "x", 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert list(tmp_path.iterdir()) == []

    def test_two_runs_do_not_write_the_same_target(self, tmp_path):
        with replacing(tmp_path / "x", 1) as file:
            file.write(b"first")
            with (
                pytest.raises(OutputError, match="being written by another"),
                replacing(tmp_path / "x", 1),
            ):
                pass
        assert (tmp_path / "x").read_bytes() == b"first"

    @pytest.mark.parametrize("make", [lambda p: p.mkdir(), os.mkfifo])
    def test_only_regular_files_are_replaced(self, tmp_path, make):
        make(tmp_path / "x")
        with (
            pytest.raises(OutputError, match="is not a regular file"),
            replacing(tmp_path / "x", 1),
        ):
            pass

    def test_a_device_is_no_target(self):
        with (
            pytest.raises(OutputError, match="is not a regular file"),
            replacing(Path("/dev/null"), 1),
        ):
            pass

    def test_no_such_folder(self, tmp_path):
        with (
            pytest.raises(OutputError, match="No such file or directory"),
            replacing(tmp_path / "no" / "x", 1),
        ):
            pass


class TestTwoThatBelongTogether:
    """``replacing_both``: a file, and one beside it that it names."""

    @staticmethod
    def write(folder, content):
        path = folder / "x"
        with replacing_both(path, folder / "x.data", 2) as (file, other):
            assert Path(other.name) == Path(file.name).with_name("x.data")
            file.write(content)
            other.write(content)

    @staticmethod
    def contents(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def test_new_ones_follow_the_umask(self, tmp_path):
        old = os.umask(0o027)
        try:
            self.write(tmp_path, b"1")
        finally:
            os.umask(old)
        assert self.contents(tmp_path) == {"x": b"1", "x.data": b"1"}
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o640}

    def test_replaced_ones_keep_the_mode_of_the_first(self, tmp_path):
        self.write(tmp_path, b"1")
        (tmp_path / "x").chmod(0o600)
        self.write(tmp_path, b"2")
        assert self.contents(tmp_path) == {"x": b"2", "x.data": b"2"}
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}

    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
    @pytest.mark.parametrize("older", [{}, {"x": b"1", "x.data": b"1"}, {"x": b"1"}])
    def test_a_failure_leaves_what_was_there(self, tmp_path, failure, older):
        for name, content in older.items():
            (tmp_path / name).write_bytes(content)
        with (
            pytest.raises(failure),
            replacing_both(tmp_path / "x", tmp_path / "x.data", 2) as (file, other),
        ):
            file.write(b"2")
            other.write(b"2")
            raise failure
        assert self.contents(tmp_path) == older

    @pytest.mark.parametrize("older", [{}, {"x": b"1", "x.data": b"1"}, {"x": b"1"}])
    def test_at_no_moment_the_first_stands_beside_a_wrong_second(
        self, tmp_path, monkeypatch, older
    ):
        for name, content in older.items():
            (tmp_path / name).write_bytes(content)
        seen = []

        def watch(function):
            def watched(*arguments, **options):
                function(*arguments, **options)
                found = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
                seen.append(found)

            return watched

        monkeypatch.setattr(os, "replace", watch(os.replace))
        monkeypatch.setattr(Path, "unlink", watch(Path.unlink))
        self.write(tmp_path, b"2")
        new, alone = {"x": b"2", "x.data": b"2"}, {"x": b"1"}
        assert new in seen
        for found in seen:
            # Of an older one that had all in it, the name beside may be there already.
            if older == alone and found == {"x": b"1", "x.data": b"2"}:
                continue
            assert found in (older, new) or "x" not in found

    @pytest.mark.parametrize("name", ["x", "x.data"])
    def test_a_symlink_is_refused(self, tmp_path, name):
        (tmp_path / name).symlink_to("real")
        with pytest.raises(OutputError, match=f"{name}: is a symlink, and two files must lie side"):
            self.write(tmp_path, b"1")
        assert [p.name for p in tmp_path.iterdir()] == [name]

    def test_only_regular_files_are_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "x.data")
        with pytest.raises(OutputError, match=r"x\.data: is not a regular file"):
            self.write(tmp_path, b"1")

    def test_a_link_to_the_folder_is_followed(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        self.write(tmp_path / "link", b"1")
        assert self.contents(tmp_path / "real") == {"x": b"1", "x.data": b"1"}

    def test_those_of_killed_runs_are_removed(self, tmp_path):
        work = Unfinished.make(tmp_path / "x")
        work.path.mkdir()
        (work.path / "x.data").write_bytes(b"half")
        work.leave()
        self.write(tmp_path, b"1")
        assert self.contents(tmp_path) == {"x": b"1", "x.data": b"1"}


TOKEN = "0123456789abcdef"


def leave(target, content=b"half"):
    """What a run leaves that is killed while it writes ``target``; the folder of it."""
    work = Unfinished.make(target)
    work.path.write_bytes(content)
    work.leave()
    return work.folder


class TestLeftovers:
    def test_those_of_killed_runs_are_removed(self, tmp_path):
        leave(tmp_path / "x")
        leave(tmp_path / "x")
        with replacing(tmp_path / "x", 1) as file:
            file.write(b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
        assert (tmp_path / "x").read_bytes() == b"new"

    @pytest.mark.parametrize("written", [None, b"", b"unfinished outp"])
    def test_a_run_may_be_killed_before_it_has_a_lock(self, tmp_path, written):
        folder = tmp_path / f".x.{TOKEN}.part"
        folder.mkdir()
        if written is not None:
            (folder / "lock").write_bytes(written)
        with replacing(tmp_path / "x", 1) as file:
            file.write(b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["x"]

    def test_those_of_another_target_stay(self, tmp_path):
        folder = leave(tmp_path / "y")
        with replacing(tmp_path / "x", 1) as file:
            file.write(b"new")
        assert (folder / "content").read_bytes() == b"half"


class TestFilesOfOthers:
    """Whatever is called as a leftover is called, and was not made by this program."""

    def kept(self, tmp_path, path):
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with replacing(tmp_path / "x", 1) as file:
            file.write(b"new")
        assert os.path.lexists(path)
        after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        assert after == before | {tmp_path / "x": b"new"}

    @pytest.mark.parametrize("name", [".x.part", f".x.{TOKEN}.part", "x.part"])
    def test_a_file(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"precious")
        self.kept(tmp_path, tmp_path / name)

    @pytest.mark.parametrize(
        "files",
        [
            {"content": b"precious"},
            {"lock": b"", "content": b"precious"},
            {"lock": b"another mark", "content": b"precious"},
            {"lock": f"unfinished output of darknet-safetensors {'f' * 16}\n".encode(),
             "content": b"precious"},
            {"lock": f"unfinished output of darknet-safetensors {TOKEN}\n".encode(),
             "content": b"half", "notes.txt": b"precious"},
        ],
    )  # fmt: skip
    def test_a_folder(self, tmp_path, files):
        folder = tmp_path / f".x.{TOKEN}.part"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        self.kept(tmp_path, folder)

    def test_a_link_to_a_folder(self, tmp_path):
        left = leave(tmp_path / "y")
        link = tmp_path / f".x.{left.name.split('.')[2]}.part"
        link.symlink_to(left)
        self.kept(tmp_path, link)

    def test_a_pipe_for_a_lock(self, tmp_path):
        folder = tmp_path / f".x.{TOKEN}.part"
        folder.mkdir()
        os.mkfifo(folder / "lock")
        (folder / "content").write_bytes(b"precious")
        self.kept(tmp_path, folder)

    def test_a_name_that_is_taken_is_not_used(self, tmp_path, monkeypatch):
        taken = tmp_path / f".x.{TOKEN}.part"
        taken.write_bytes(b"precious")
        tokens = iter([TOKEN, "f" * 16])
        monkeypatch.setattr("os.urandom", lambda _: bytes.fromhex(next(tokens)))
        self.kept(tmp_path, taken)


@pytest.mark.parametrize("name", [".toy.safetensors.part", ".toy.weights.part"])
@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_inputs_called_as_a_temporary_file_may_be(toy, name, link):
    """Their source was opened for writing and emptied."""
    whole, text = toy.weights.read_bytes(), toy.cfg.read_bytes()
    source = toy.weights.with_name(name)
    if link is None:
        source.write_bytes(whole)
    else:
        link(toy.weights, source)
    cfg = toy.cfg.with_name(".back.weights.part")
    cfg.write_bytes(text)
    result = convert(source, toy.checkpoint, cfg=cfg)
    assert result.verified
    assert revert(toy.checkpoint, toy.cfg.with_name("back.weights")).identical
    assert (source.read_bytes(), toy.weights.read_bytes()) == (whole, whole)
    assert cfg.read_bytes() == text
