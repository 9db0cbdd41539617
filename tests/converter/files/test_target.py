"""The target that is whole or not there, and files of others that stay what they are."""

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from converter import convert, revert
from converter.errors import OutputError, UsageError
from converter.files.target import (
    Unfinished,
    identities,
    is_written,
    remove_leftovers,
    replacing,
    replacing_both,
    require_other,
    require_space,
    resolved,
    write_whole,
)


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

    def test_who_may_not_change_an_owner_keeps_the_mode(self, tmp_path, monkeypatch):
        def forbidden(*arguments):
            raise PermissionError(1, "Operation not permitted")

        target = tmp_path / "target"
        target.write_bytes(b"old")
        target.chmod(0o604)
        monkeypatch.setattr(os, "chown", forbidden)
        with replacing(target, 1) as file:
            file.write(b"new")
        assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o604)

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

    def test_a_device_is_no_target(self, device_node):
        before = device_node.stat()
        with pytest.raises(OutputError, match="is not a regular file"), replacing(device_node, 1):
            pass
        assert stat.S_ISCHR(device_node.stat().st_mode)
        assert device_node.stat().st_ino == before.st_ino

    def test_no_such_folder(self, tmp_path):
        with (
            pytest.raises(OutputError, match="there is no folder"),
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

    def test_a_link_for_a_lock(self, tmp_path):
        """Though what it leads to holds the right mark."""
        folder = tmp_path / f".x.{TOKEN}.part"
        folder.mkdir()
        (tmp_path / "mark").write_text(f"unfinished output of darknet-safetensors {TOKEN}\n")
        (folder / "lock").symlink_to(tmp_path / "mark")
        (folder / "content").write_bytes(b"precious")
        self.kept(tmp_path, folder)

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


def refusal(call, *arguments, error=OutputError, **options) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


def replaced(path, size=1):
    with replacing(path, size) as file:
        file.write(b"x")


class TestWhatIsSaid:
    def test_of_a_target_that_is_none(self, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "loop").symlink_to("loop")
        for name, problem in (
            ("folder", "is not a regular file"), ("loop", "is a symlink to itself"),
        ):  # fmt: skip
            said = refusal(resolved, tmp_path / name)
            assert said == f"{tmp_path / name}: {problem} (choose another output)"

    def test_of_a_zero_byte_in_a_name(self):
        said = refusal(resolved, Path("a\0b"))
        assert said == "a\\x00b: cannot be written: a zero byte in its name"

    def test_of_a_folder_that_is_not_there(self, tmp_path):
        path = tmp_path / "no" / "x"
        assert refusal(replaced, path) == (
            f"{path}: cannot be written: there is no folder {tmp_path / 'no'}"
            " (make it, or choose another output)"
        )

    @pytest.mark.parametrize("name", ["x", "sub/x", "sub/sub/x"])
    def test_of_a_file_in_the_place_of_the_folder(self, tmp_path, name):
        """It was to make a folder of that name, which cannot be; nor can one in it."""
        (tmp_path / "no").touch()
        path = tmp_path / "no" / name
        assert refusal(replaced, path) == (
            f"{path}: cannot be written: {tmp_path / 'no'} is no folder (choose another output)"
        )

    def test_of_a_run_at_work(self, tmp_path):
        work = Unfinished.make(tmp_path / "x")
        assert (
            refusal(replaced, tmp_path / "x")
            == f"{tmp_path / 'x'}: is being written by another run"
        )
        work.remove()
        replaced(tmp_path / "x")

    def test_of_a_small_disk(self, tmp_path, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1234))
        require_space(tmp_path / "x", 1234)
        assert refusal(require_space, tmp_path / "x", 1235) == (
            f"{tmp_path / 'x'}: needs 1,235 bytes, and its disk has 1,234 free (free some space,"
            " or choose another disk)"
        )

    def test_the_disk_is_that_of_its_folder(self, tmp_path, monkeypatch):
        asked = []
        monkeypatch.setattr(
            "shutil.disk_usage", lambda folder: asked.append(folder) or SimpleNamespace(free=9)
        )
        require_space(tmp_path / "x", 1)
        assert asked == [tmp_path]


class TestUnfinished:
    def test_it_grows_in_a_folder_of_its_own(self, tmp_path, monkeypatch):
        monkeypatch.setattr("os.urandom", lambda count: bytes(range(count)))
        work = Unfinished.make(tmp_path / "x")
        assert work.folder == tmp_path / ".x.0001020304050607.part"
        assert work.path == work.folder / "content"
        assert stat.S_IMODE(work.folder.stat().st_mode) == 0o700
        assert (work.folder / "lock").read_text() == (
            "unfinished output of darknet-safetensors 0001020304050607\n"
        )
        assert [p.name for p in work.folder.iterdir()] == ["lock"]
        work.remove()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_may_grow_there_too(self, tmp_path):
        work = Unfinished.make(tmp_path / "x")
        work.path.mkdir()
        (work.path / "a").write_bytes(b"half")
        work.remove()
        assert list(tmp_path.iterdir()) == []

    def found(self, target, **options):
        """The folders that were left behind, each locked for as long as it is looked at."""
        folders = set()
        for work in Unfinished.left_behind(target, **options):
            assert work.path == work.folder / "content"
            folders.add(work.folder)
            work.leave()
        return folders

    def test_what_somebody_put_there_stays_and_is_no_error(self, tmp_path):
        work = Unfinished.make(tmp_path / "x")
        (work.folder / "notes.txt").write_bytes(b"precious")
        work.remove()
        assert [p.name for p in work.folder.iterdir()] == ["notes.txt"]

    def test_a_lock_that_was_removed_while_open_is_not_missed(self, tmp_path):
        work = Unfinished.make(tmp_path / "x")
        (work.folder / "lock").unlink()
        work.remove()
        assert list(tmp_path.iterdir()) == []

    def test_it_may_be_left_for_the_next_run(self, tmp_path):
        target = tmp_path / "x"
        folder = leave(target)
        (work,) = Unfinished.left_behind(target)
        assert (work.folder, work.path.read_bytes()) == (folder, b"half")
        # It is locked now, by this run.
        with pytest.raises(OutputError, match="is being written by another run"):
            self.found(target)
        other = leave(target)
        assert self.found(target, alone=False) == {other}
        work.leave()
        assert self.found(target) == self.found(target) == {folder, other}

    @pytest.mark.parametrize("name", ["x+", "a.b", "x"])
    def test_only_its_own_targets_are_found(self, tmp_path, name):
        for other in ("xx", "aab", "yx"):
            leave(tmp_path / other)
        mine = leave(tmp_path / name)
        assert self.found(tmp_path / name) == {mine}

    def test_remove_leftovers(self, tmp_path):
        leave(tmp_path / "x")
        work = Unfinished.make(tmp_path / "y")
        (tmp_path / "link").symlink_to("x")
        remove_leftovers(tmp_path / "link")
        remove_leftovers(tmp_path / "y")  # another run is at it
        remove_leftovers(tmp_path / "no" / "x")
        assert {p.name for p in tmp_path.iterdir()} == {"link", work.folder.name}
        work.remove()


class TestSmallFiles:
    def test_they_are_written_once(self, tmp_path):
        path = tmp_path / "x"
        assert not is_written(path, b"data", force=False)
        write_whole(path, b"data", force=False)
        assert path.read_bytes() == b"data"
        assert is_written(path, b"data", force=False)
        before = path.stat().st_ino
        write_whole(path, b"data", force=False)
        assert path.stat().st_ino == before  # it was not written again

    def test_what_holds_something_else_needs_force(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"mine")
        assert refusal(write_whole, path, b"data", force=False) == (
            f"{path}: exists already (replace it with force=True)"
        )
        assert path.read_bytes() == b"mine"
        assert not is_written(path, b"mine", force=True)
        write_whole(path, b"data", force=True)
        assert path.read_bytes() == b"data"

    def test_a_link_to_nowhere_is_something_else(self, tmp_path):
        (tmp_path / "x").symlink_to("gone")
        assert "exists already" in refusal(is_written, tmp_path / "x", b"", force=False)


class TestIdentities:
    def test_a_file_is_one_by_all_its_names(self, tmp_path):
        path, other = tmp_path / "x", tmp_path / "other"
        path.write_bytes(b"x")
        other.write_bytes(b"x")
        (tmp_path / "soft").symlink_to("x")
        os.link(path, tmp_path / "hard")
        for name in ("x", "soft", "hard", "../" + tmp_path.name + "/x"):
            assert refusal(require_other, tmp_path / name, None, other, path, error=UsageError) == (
                f"{tmp_path / name}: is an input, or another output (choose another output)"
            )
        require_other(other, path, None)

    def test_a_file_that_is_not_there_is_one_by_its_place(self, tmp_path):
        (tmp_path / "link").symlink_to("new")
        assert refusal(require_other, tmp_path / "new", tmp_path / "link", error=UsageError)
        require_other(tmp_path / "new", tmp_path / "newer")

    def test_what_distinguishes_them(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"")
        status = path.stat()
        assert identities(path, None) == {str(path), (status.st_dev, status.st_ino)}
        assert identities(tmp_path / "no") == {str(tmp_path / "no")}
        assert identities(None) == identities("a\0b") == set()
