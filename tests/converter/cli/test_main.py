"""One command by three names: installed, as a module, and as eight scripts."""

import json
import os
import runpy
import subprocess
import sys
import tomllib
import venv
from importlib import import_module
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns

import pytest

from converter.cli import COMMANDS
from converter.cli.main import main
from converter.version import VERSION
from tests.converter.cli.processes import ROOT, SCRIPTS, module, python, script

EIGHT = ("convert", "verify", "info", "report", "download", "detect", "evaluate", "export")


def entry_point() -> tuple[str, str]:
    """The name of the file that ``pip install`` writes, and the function that it calls."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ((name, function),) = project["scripts"].items()
    return name, function


def installed(*arguments: str) -> None:
    name, function = entry_point()
    sys.argv = [f"/usr/local/bin/{name}", *arguments]
    where, _, attribute = function.partition(":")
    sys.exit(getattr(import_module(where), attribute)())


def as_module(*arguments: str) -> None:
    sys.argv = ["", *arguments]
    sys.modules.pop("converter.__main__", None)
    runpy.run_module("converter", run_name="__main__", alter_sys=True)


def as_script(command: str, *arguments: str) -> None:
    sys.argv = ["", *arguments]
    runpy.run_path(str(SCRIPTS / f"{command}.py"), run_name="__main__")


CALLS = {
    "darknet-safetensors {}": installed,
    "python -m converter {}": as_module,
    f"python {SCRIPTS}/{{}}.py": as_script,
}


@pytest.fixture
def call(monkeypatch):
    """Runs in this process what a call would run in its own; the exit code."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))  # scripts put the root there
    monkeypatch.setenv("COLUMNS", "200")  # argparse breaks no line

    def run(function, *arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            function(*arguments)
        return ended.value.code

    return run


def test_the_eight():
    assert tuple(COMMANDS) == EIGHT


@pytest.mark.parametrize("command", EIGHT)
@pytest.mark.parametrize("name", CALLS)
class TestNames:
    def test_usage_and_examples_show_the_name_it_was_called_by(self, call, capsys, name, command):
        called = name.format(command)
        assert call(CALLS[name], command, "--help") == 0
        out, err = capsys.readouterr()
        assert err == ""
        examples = out.partition("examples:\n")[2].splitlines()
        assert len(examples) >= 2
        assert all(line.startswith(f"  {called} ") for line in examples)
        common, usage = out.splitlines()[:2]
        assert common == f"usage: {examples[0].strip()}"
        assert usage.startswith(f"       {called} [options] ")

    def test_a_wrong_option_points_to_the_help_of_that_name(self, call, capsys, name, command):
        assert call(CALLS[name], command, "x", "y", "--zzzzzzzz") == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert err.endswith(f" (see {name.format(command)} --help)\n")
        assert err.count("\n") == 1

    def test_version(self, call, capsys, name, command):
        assert call(CALLS[name], command, "--version") == 0
        assert capsys.readouterr() == (f"darknet-safetensors {VERSION}\n", "")


@pytest.mark.parametrize("command", [name for name in EIGHT if name != "download"])
@pytest.mark.parametrize("name", CALLS)
def test_a_missing_argument_has_the_first_example(call, capsys, name, command):
    assert call(CALLS[name], command, "--help") == 0
    example = capsys.readouterr().out.partition("examples:\n")[2].splitlines()[0].strip()
    assert call(CALLS[name], command, "--json") == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["remedy"] == f"for example: {example}"
    assert err.startswith("error: the following arguments are required: ")
    assert err.endswith(f" (for example: {example})\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", EIGHT)
def test_help_fits_a_terminal_and_has_its_options_in_groups(call, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    assert call(installed, command, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    options = lines[: lines.index("examples:")]
    assert [line for line in options if len(line) > 80] == []
    # Each group but the shared options (-h, --json, -q, -v, --version) is a page's part.
    heads = [i for i, line in enumerate(options) if line.endswith(":") and line[0] != " "]
    named = {options[i]: options[i + 1 :] for i in heads}
    assert "output:" in named or command in ("verify", "evaluate")
    shared = options.index("options:")
    after = options[shared : next(i for i in [*heads, len(options)] if i > shared)]
    own = [line.split()[0].rstrip(",") for line in after if line.startswith("  -")]
    assert own[:5] == ["-h", "--json", "-q", "-v", "--version"]
    assert own[5:] == (["--list"] if command == "download" else [])


@pytest.mark.parametrize("name", ["darknet-safetensors", "python -m converter"])
def test_version_without_a_command(call, capsys, name):
    assert call(CALLS[f"{name} {{}}"], "--version") == 0
    assert capsys.readouterr() == (f"darknet-safetensors {VERSION}\n", "")


@pytest.mark.parametrize("name", ["darknet-safetensors", "python -m converter"])
def test_the_guide_shows_the_name_it_was_called_by(call, capsys, name):
    assert call(CALLS[f"{name} {{}}"], "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} [-h] [--version] COMMAND ...\n")


class TestProcesses:
    def test_the_module(self, sample):
        done = module("convert", sample.weights)
        assert (done.returncode, done.stdout.count("verified")) == (0, 1)
        assert module("verify", sample.weights, sample.checkpoint, "-q").returncode == 0

    def test_the_installed_command(self, sample):
        code = (
            "import sys; from converter.cli.main import main\n"
            "sys.argv[0] = '/usr/local/bin/darknet-safetensors'; sys.exit(main())"
        )
        done = python("-c", code, "convert", sample.weights, cwd=ROOT)
        assert (done.returncode, done.stdout.count("verified")) == (0, 1)
        done = python("-c", code, "convert", cwd=ROOT)
        assert done.returncode == 2
        assert done.stderr.endswith("(for example: darknet-safetensors convert yolov3.weights)\n")

    def test_workers_of_the_module(self, sample, tmp_path):
        """They are processes of their own, started from a main module that is in a package."""
        copyfile(sample.weights, tmp_path / "shapes_1.weights")
        done = module("convert", tmp_path, "-j", 2)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "2 of 2 files converted, 0 refused"


class TestImports:
    def test_importing_the_module_runs_nothing(self):
        """Tools that list a package's contents import all of it."""
        done = python("-c", "import converter.__main__", cwd=ROOT)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_a_command_imports_no_other(self, sample):
        code = (
            "import sys; from converter.cli.main import main\n"
            "assert main(['convert', sys.argv[1], '-q']) == 0\n"
            "print(*sorted(m for m in sys.modules if m.startswith('converter.cli.')))\n"
            "print(*sorted({'torch', 'numpy', 'requests', 'difflib'} & set(sys.modules)))\n"
        )
        done = python("-c", code, sample.weights, cwd=ROOT)
        _, ours, others = done.stdout.splitlines()
        names = ("convert", "main", "output", "parser", "runner")
        assert ours.split() == [f"converter.cli.{name}" for name in names]
        assert others == "numpy"  # the float32 check reads through it

    def test_converting_and_verifying_never_import_torch(self, sample):
        code = (
            "import sys; from converter.cli.main import main\n"
            "out = sys.argv[1].replace('.weights', '.safetensors')\n"
            "assert main(['convert', sys.argv[1], '-q']) == 0\n"
            "assert main(['verify', sys.argv[1], out, '-q']) == 0\n"
            "sys.exit('torch' in sys.modules)\n"
        )
        assert python("-c", code, sample.weights, cwd=ROOT).returncode == 0

    @pytest.mark.parametrize("command", ["convert", "verify", "info"])
    def test_interrupted_before_anything_is_imported(self, tmp_path, command):
        (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        for done in (script(command, env=environment), module(command, env=environment)):
            assert (done.returncode, done.stderr) == (130, "interrupted\n")

    @pytest.mark.parametrize(
        ("command", "packages"),
        [
            ("detect", "torch pillow"),
            ("evaluate", "torch pillow pycocotools pyyaml"),
            ("export", "torch"),
        ],
    )
    def test_without_pytorch(self, tmp_path, command, packages):
        fake = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
        (tmp_path / "torch.py").write_text(fake)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        more = ("--format", "pt2") if command == "export" else ("x",)  # ONNX needs none
        assert script(command, "--help", env=environment).returncode == 0
        for done in (
            script(command, "x.safetensors", *more, env=environment),
            module(command, "x.safetensors", *more, env=environment),
        ):
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == f"error: yolov3 needs PyTorch (pip install {packages})\n"

    def test_without_another_package(self, tmp_path):
        fake = "raise ModuleNotFoundError(\"No module named 'requests'\", name='requests')"
        (tmp_path / "requests.py").write_text(fake)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = script("download", "--list", "--json", env=environment)
        assert done.returncode == 1
        assert done.stdout.startswith('{"schema": 1, "error": {"type": "ExtraError", ')
        assert done.stderr == (
            f"error: the package requests is not installed ({sys.executable} -m pip install numpy"
            " safetensors requests)\n"
        )
        assert json.loads(done.stdout)["error"]["remedy"].startswith(sys.executable)


OLDER = sorted(Path.home().glob(".pyenv/versions/3.[789].*/bin/python")) + sorted(
    Path.home().glob(".pyenv/versions/3.10.*/bin/python")
)


class TestOtherPythons:
    """One line, whatever is missing."""

    def one_line(self, *command, cwd) -> str:
        """What it says on standard error, and nothing else."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.removesuffix("\n")

    @pytest.mark.skipif(not OLDER, reason="no older Python is here")
    @pytest.mark.parametrize("program", OLDER, ids=lambda path: path.parts[-3])
    def test_an_older_python(self, sample, program):
        line = f"error: Python 3.11 or newer is needed, and {program} is {program.parts[-3]}"
        convert = (SCRIPTS / "convert.py", sample.weights)
        assert self.one_line(program, *convert, cwd=ROOT) == line
        assert self.one_line(program, "-m", "converter", "convert", "x", cwd=ROOT) == line
        installed = "from converter.cli.main import main; raise SystemExit(main(['info', 'x']))"
        assert self.one_line(program, "-c", installed, cwd=ROOT) == line

    def test_an_older_python_by_its_version_alone(self, monkeypatch, capsys):
        monkeypatch.setattr(sys, "version_info", (3, 10, 13))
        assert main(["convert", "x.weights"]) == 1
        assert capsys.readouterr() == (
            "", f"error: Python 3.11 or newer is needed, and {sys.executable} is 3.10.13\n"
        )  # fmt: skip

    def test_a_python_with_no_packages(self, sample, tmp_path):
        venv.create(tmp_path / "bare", with_pip=False)
        program = next((tmp_path / "bare").glob("*/python"))
        for command in (
            (SCRIPTS / "convert.py", sample.weights),
            ("-m", "converter", "convert", sample.weights),
            ("-m", "converter", "download", "yolov3-tiny", "-o", tmp_path),
        ):
            line = self.one_line(program, *command, "-q", cwd=ROOT)
            assert line.startswith("error: the package ")
            assert line.endswith(f"({program} -m pip install numpy safetensors requests)")
            assert line.count("\n") == 0
        assert not sample.checkpoint.exists()


class TestOtherPackages:
    """Packages of others that have one of our two names."""

    def call(self, arguments, before="", **options):
        code = (
            f"import sys\n{before}\nfrom converter.cli.main import main\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        return python("-c", code, *arguments, **options)

    @pytest.mark.parametrize("file", ["yolov3.py", "yolov3/__init__.py"])
    @pytest.mark.parametrize("command", ["detect", "evaluate", "export"])
    def test_one_in_the_working_directory(self, tmp_path, command, file):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("raise SystemExit('executed')")
        done = self.call([command, "x"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert (done.returncode, done.stdout, done.stderr) == (
            1, "", f"error: {tmp_path / file}: is in the way of this program's own package yolov3"
            " (rename it, or start from another folder)\n",
        )  # fmt: skip

    def test_verify_with_an_engine(self, sample, tmp_path):
        main(["convert", str(sample.weights), "-q"])
        (tmp_path / "yolov3.py").write_text("raise SystemExit('executed')")
        arguments = ["verify", sample.weights, sample.checkpoint]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = self.call([*arguments, "--against", "opencv"], cwd=tmp_path, env=environment)
        assert done.returncode == 1
        assert f"error: {tmp_path}/yolov3.py: is in the way" in done.stderr
        # What needs none of it does its work.
        assert self.call(arguments, cwd=tmp_path, env=environment).returncode == 0

    # An editable installation is found by a finder of its own, after all folders of the path.
    EDITABLE = f"""
import importlib.util, os
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("converter", "yolov3"):
            file = os.path.join({str(ROOT)!r}, name, "__init__.py")
            return importlib.util.spec_from_file_location(name, file)
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(f)]
sys.path[:] = [p for p in sys.path if not os.path.exists(os.path.join(p, "yolov3/__init__.py"))]
sys.meta_path.append(Finder)
"""

    def test_a_folder_where_ours_is_an_editable_installation(self, tmp_path):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        options = {"before": self.EDITABLE, "cwd": tmp_path, "env": environment}
        done = self.call(["export", "x.safetensors", "-o", "x.onnx"], **options)
        assert done.stderr.startswith("error: x.safetensors: ")
        (tmp_path / "yolov3").mkdir()  # a saved model, say
        done = self.call(["export", "x.safetensors", "-o", "x.onnx"], **options)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {tmp_path / 'yolov3'}: is in the way")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("name", ["converter", "yolov3"])
    def test_one_that_was_installed_over_ours(self, tmp_path, name):
        for package in ("converter", "yolov3"):
            copytree(ROOT / package, tmp_path / package, ignore=ignore_patterns("__pycache__"))
        (tmp_path / name / "__init__.py").write_text("NAME = 'another package'\n")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = self.call(["detect", "x"], cwd=tmp_path, env=environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"error: {tmp_path / name / '__init__.py'}: is of another package called {name}, which"
            " was installed over this one (install this one again, in an environment of its own)\n"
        )


def test_a_script_is_run_from_anywhere(sample, tmp_path):
    """As ``python scripts/convert.py yolov3.weights`` always was."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, SCRIPTS / "convert.py", "shapes.weights"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("shapes.safetensors: 366 tensors, ")


@pytest.mark.parametrize(
    "command",
    [
        "convert {}", "report {}", "export {}", "evaluate {} x", "detect {} shapes.weights x.png",
        "export {} -o x.pt2",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("net.cfg", "[net]\nbatch=1\n",
         "is text that looks like a cfg (give it with --cfg, and the .weights first)"),
        ("obj.data", "classes=3\ntrain=train.txt\nnames=obj.names\n",
         "is Darknet's list of a data set's files (the .weights come first; convert and detect"
         " take its class names with --names)"),
    ],
)  # fmt: skip
def test_what_darknet_takes_first_is_named_and_has_an_option_here(
    tmp_path, monkeypatch, capsys, command, name, text, said
):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    assert main(command.format(name).split()) == 1
    assert capsys.readouterr().err == f"error: {name}: {said}\n"


def test_arguments_are_the_process_s_unless_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/bin/name", "--version"])
    assert main() == 0
    assert main(["convrt"]) == 2
    assert main(["nothing"], program="other") == 2
    assert capsys.readouterr().err.count("\n") == 2
