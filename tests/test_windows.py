"""The programs where POSIX's modules and functions are gone; see ``windows.py``."""

import ast
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import windows

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("converter", "yolov3")
    for path in sorted((ROOT / package).rglob("*.py"))
]


def run(code: str, *arguments, cwd=ROOT) -> str:
    """The output of a program where Windows is imitated."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", f"import windows; windows.imitate()\n{code}", *map(str, arguments)],
        cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_imitation_refuses_what_windows_refuses(tmp_path):
    code = """
import mmap, os, pathlib, shutil, sys
from converter.files.lock import try_lock
try:
    import fcntl
except ModuleNotFoundError:
    print("no fcntl")
def refused(function, *arguments):
    try:
        function(*arguments)
    except PermissionError:
        return True
os.mkdir("folder")
path = pathlib.Path("folder/x")
path.write_bytes(b"x")
with open(path, "rb") as file, open(path, "rb") as other:
    print(try_lock(file.fileno()), try_lock(other.fileno()), file.tell())
    print(refused(path.unlink), refused(os.replace, path, "y"), refused(shutil.rmtree, "folder"))
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print(refused(os.replace, path, "y"))
mapped.close()
os.replace(path, "y")
print(*sorted(os.listdir()))
"""
    assert run(code, cwd=tmp_path).splitlines() == [
        "no fcntl", "True False 0", "True True True", "True", "folder y",
    ]  # fmt: skip


def test_every_module_can_be_imported():
    code = (
        "import sys\nfrom importlib import import_module\n"
        "for name in sys.argv[1:]:\n"
        "    if not name.endswith('__main__'): import_module(name)\n"
        "print(len(sys.argv[1:]))"
    )
    assert run(code, *MODULES) == f"{len(MODULES)}\n"


def unguarded(tree: ast.AST) -> list[int]:
    """Where a name of ``os`` or ``signal`` is used that Windows lacks, and nobody asks for it."""
    asked = {
        ast.literal_eval(node.args[1])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "hasattr"
        and isinstance(node.args[1], ast.Constant)
    }
    missing = {f"os.{name}" for name in windows.OF_OS} | {
        f"signal.{name}" for name in windows.OF_SIGNAL
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in missing
        and node.attr not in asked
    ]


def test_nothing_is_used_that_windows_lacks():
    found = []
    for path in (p for package in ("converter", "yolov3") for p in (ROOT / package).rglob("*.py")):
        lines = unguarded(ast.parse(path.read_text(encoding="utf-8")))
        found += [f"{path}:{line}" for line in lines]
    assert found == []
    code = (
        "os.pread(1, 2, 3)\nif hasattr(os, 'chown'):\n    os.chown(x)\nsignal.alarm(1)\nos.open(x)"
    )
    assert unguarded(ast.parse(code)) == [1, 4]


COMMANDS = """
import os, sys
from converter.cli.main import main
for line in sys.argv[1:]:
    code = main(line.split())
    assert code == 0, (line, code)
print("locks:", windows.Msvcrt.calls)
print("left:", *sorted(name for name in os.listdir() if name.endswith(".part")))
"""


def test_the_commands(sample, tmp_path):
    lines = (
        "convert shapes.weights",
        "convert shapes.weights",  # is up to date
        "verify shapes.weights shapes.safetensors",
        "convert shapes.weights -o half.safetensors --dtype bfloat16 --report page.html",
        "convert shapes.weights -o half.safetensors --dtype float16 --force",
        "convert shapes.weights -o half.safetensors --dtype bfloat16 --force",
        "convert shapes.weights -o half.safetensors --dtype bfloat16 --force",
        "convert shapes.weights -o port.pth --family lightnet",
        "convert shapes.safetensors -o back.weights --cfg-out back.cfg",
        "convert shapes.safetensors -o back.weights --force",
        "convert port.pth --family lightnet --cfg shapes.cfg -o again.safetensors",
        "info shapes.weights -q",
        "report shapes.weights -o page.md",
        "export shapes.safetensors -o shapes.onnx",
        "export shapes.safetensors -o shapes.onnx --force",
    )
    out = run(COMMANDS, *lines, cwd=tmp_path).splitlines()
    # Each of the files that are written is locked, once or more.
    assert int(out[-2].removeprefix("locks: ")) >= 12
    assert out[-1] == "left:"
    assert (tmp_path / "back.weights").read_bytes() == sample.weights.read_bytes()


def test_a_model_is_saved_over_the_file_that_it_came_from(sample, tmp_path):
    """A tensor of safetensors' is a piece of the mapped file."""
    code = """
from converter import convert
from yolov3 import load, save
convert("shapes.weights")
model = load("shapes.safetensors")
save(model, "shapes.safetensors", force=True)
"""
    run(code, cwd=tmp_path)


def test_a_transposed_array_is_read(tmp_path):
    """From 0.1002 on, a header says that matrices lie the other way round (pj parser.c:1243)."""
    (tmp_path / "net.cfg").write_text("[net]\ninputs=6\n[connected]\noutput=4\nactivation=linear\n")
    values = np.arange(4 + 4 * 6, dtype="<f4")  # biases, then the matrix
    (tmp_path / "net.weights").write_bytes(struct.pack("<iiiQ", 0, 1002, 0, 0) + values.tobytes())
    run("from converter import convert; assert convert('net.weights').verified", cwd=tmp_path)


SUITE = (
    *(
        f"tests/converter/files/test_{name}.py"
        for name in ("lock", "target", "hashing", "portable")
    ),
    "tests/converter/operations/test_convert.py::TestConvert",
    "tests/converter/operations/test_download.py",
)
# What there is none of: pipes, owners, signals that kill, limits of a file's size, open files that
# are removed. And a zero byte is refused with all the others that no name has there.
NOT_THERE = (
    "pipe or owner or regular_files or fills_up or killed or ended "
    "or removed_while_open or zero_byte"
)


def test_a_selection_of_the_suite():
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "windows", "-p", "no:cacheprovider",
         *SUITE, "-k", f"not ({NOT_THERE})"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    *_, locks = done.stdout.split()
    assert int(locks) > 50  # one for each file that is written
