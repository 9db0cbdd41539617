"""What the architecture forbids and import-linter, which sees imports alone, does not notice."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from converter.darknet.dialects import DIALECTS
from converter.families import FAMILIES

ROOT = Path(__file__).parents[1]
PACKAGES = ("converter", "yolov3")
MOST_MODULES = 16
REGISTRIES = ("converter/darknet/layers", "converter/families")  # one file for each kind of thing
WITHOUT_TORCH = (  # beside all of converter
    "yolov3",
    "yolov3.detection.dataset",
    "yolov3.detection.datasets",
    "yolov3.detection.datasets.base",
    "yolov3.detection.datasets.categories",
    "yolov3.detection.datasets.coco",
    "yolov3.detection.datasets.darknet_data",
    "yolov3.detection.datasets.data_yaml",
    "yolov3.detection.datasets.folder",
    "yolov3.detection.datasets.labels",
    "yolov3.detection.datasets.lists",
    "yolov3.detection.datasets.voc",
    "yolov3.detection.decode",
    "yolov3.detection.detect",
    "yolov3.detection.detections",
    "yolov3.detection.draw",
    "yolov3.detection.evaluate",
    "yolov3.detection.image",
    "yolov3.detection.in_onnx",
    "yolov3.detection.linear",
    "yolov3.detection.metrics",
    "yolov3.detection.metrics.coco_map",
    "yolov3.detection.metrics.confusion",
    "yolov3.detection.metrics.darknet_map",
    "yolov3.detection.metrics.plots",
    "yolov3.detection.nms",
    "yolov3.detection.prepare",
    "yolov3.detection.results",
    "yolov3.drawing.colours",
    "yolov3.drawing.fonts",
    "yolov3.drawing.places",
    "yolov3.exporting.checking",
    "yolov3.exporting.drawing",
    "yolov3.exporting.formats",
    "yolov3.exporting.onnx",
    "yolov3.exporting.source",
    "yolov3.exporting.straight",
    "yolov3.sharing.facts",
)


@dataclass(frozen=True)
class Module:
    name: str
    path: Path  # below the root of the repository
    tree: ast.Module

    def inside(self, room: str) -> bool:
        return f"{self.name}.".startswith(f"{room}.")

    def places(self, lines: Iterable[int]) -> list[str]:
        return [f"{self.path}:{line}" for line in lines]


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8")))


@cache
def modules() -> tuple[Module, ...]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return tuple(map(read, paths))


@cache
def layers() -> tuple[tuple[str, ...], ...]:
    """The layers of the contract, from the top down, each with its modules."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each["id"] == "layers")
    return tuple(tuple(re.findall(r"[\w.]+", layer)) for layer in contract["layers"])


def layer_of(name: str) -> int | None:
    for number, rooms in enumerate(layers()):
        if any(f"{name}.".startswith(f"{room}.") for room in rooms):
            return number
    return None


def require_none(places: Iterable[str], rule: str) -> None:
    found = list(dict.fromkeys(places))
    if found:
        pytest.fail("\n".join([rule, *found]), pytrace=False)


def run_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What an import executes: no bodies of functions, nothing that type checkers alone see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from run_on_import(ast.Module(node.orelse, []))
            continue
        yield node
        yield from run_on_import(node)


def torch_imports(tree: ast.AST) -> Iterator[int]:
    for node in run_on_import(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if any(name.split(".")[0] in ("torch", "torchvision") for name in names):
            yield node.lineno


def imports_of(tree: ast.AST, wanted: str) -> Iterator[int]:
    """Where a module or something below it is imported, late imports included."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "an import that is relative"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(f"{name}.".startswith(f"{wanted}.") for name in names):
            yield node.lineno


def literals(node: ast.AST) -> Iterator[ast.Constant]:
    """A literal, or those that a tuple, list or set names one by one."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for element in node.elts:
            yield from literals(element)


def chained_refusals(tree: ast.AST) -> Iterator[int]:
    """Lines that answer a failed import with another exception, and keep the first one."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.type is None:
            continue
        if ast.unparse(handler.type) not in ("ImportError", "ModuleNotFoundError"):
            continue
        raised = (node for node in ast.walk(handler) if isinstance(node, ast.Raise) and node.exc)
        for node in raised:
            if not isinstance(node.cause, ast.Constant):  # None
                yield node.lineno


def comparisons(tree: ast.AST, names: Iterable[str]) -> Iterator[int]:
    """Where something is compared with one of the names: ==, !=, in, not in, case."""
    for node in ast.walk(tree):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        if any(literal.value in names for side in sides for literal in literals(side)):
            yield node.lineno


def defaults(tree: ast.AST) -> Iterator[ast.expr]:
    """The default values of public functions' parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name == "__init__" or not node.name.startswith("_")
        ):
            yield from node.args.defaults
            yield from filter(None, node.args.kw_defaults)


def choices(tree: ast.AST) -> Iterator[ast.AST]:
    """What stands in each ``Literal[...]``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            yield from ast.walk(node.slice)


def mentions(tree: ast.AST, names: Iterable[str], allowed: Iterable[ast.AST]) -> Iterator[int]:
    fine = set(map(id, allowed))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in names and id(node) not in fine:
            yield node.lineno


# The rules.


def test_every_module_has_a_layer():
    faces = PACKAGES  # their public names come from all layers; nothing inside asks them for one
    missing = [
        f"{module.path}:1"
        for module in modules()
        if layer_of(module.name) is None and module.name not in faces
    ]
    require_none(missing, "Without a place in the contract of pyproject.toml:")


def test_no_module_is_named_by_a_string_in_a_layer_below():
    names = {module.name for module in modules()}
    climbing = []
    for module in modules():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant) or node.value not in names - set(PACKAGES):
                continue
            own, other = layer_of(module.name), layer_of(node.value)
            if own is not None and other is not None and other < own:
                climbing += module.places([node.lineno])
    require_none(climbing, "Names a module of a layer above:")


def test_torch_is_not_imported_where_it_may_be_missing():
    found = [
        place
        for module in modules()
        if module.inside("converter") or module.name in WITHOUT_TORCH
        for place in module.places(torch_imports(module.tree))
    ]
    require_none(found, "Imports torch when it is imported:")


def test_a_package_that_is_missing_is_one_exception():
    """The refusal says what to install; Python's own traceback above it says nothing more."""
    found = [
        place for module in modules() for place in module.places(chained_refusals(module.tree))
    ]
    require_none(found, "Chains a refusal to the failed import; raise it from None:")


def test_the_reference_reader_is_independent():
    reference = read(ROOT / "tests/reference.py")
    lines = [line for package in PACKAGES for line in imports_of(reference.tree, package)]
    require_none(reference.places(lines), "Imports what it is there to check:")


def test_a_family_is_compared_in_its_room_only():
    found = [
        place
        for module in modules()
        # An exported file's layout may bear the name of the program that takes it.
        if not module.inside("converter.families") and not module.inside("yolov3.exporting")
        for place in module.places(comparisons(module.tree, FAMILIES))
    ]
    require_none(found, "Compares something with a family's name; ask its record:")


def test_a_dialect_is_compared_in_its_room_only():
    found = [
        place
        for module in modules()
        if not module.inside("converter.darknet.dialects")
        for place in module.places(comparisons(module.tree, DIALECTS))
    ]
    require_none(found, "Compares something with a dialect's name; ask its record:")


def test_a_dialect_is_named_in_its_room_only():
    found = []
    for module in modules():
        if module.inside("converter.darknet.dialects"):
            continue
        allowed = list(defaults(module.tree))
        if module.name == "converter.options":
            allowed += choices(module.tree)
        found += module.places(mentions(module.tree, DIALECTS, allowed))
    require_none(found, "A dialect's name, neither a public default nor a choice in options:")


def rooms() -> list[Path]:
    folders = {module.path.parent for module in modules()}
    return sorted(folders)


@pytest.mark.parametrize("room", rooms(), ids=str)
def test_a_room_says_what_it_is_for(room):
    (face,) = (module for module in modules() if module.path == room / "__init__.py")
    assert ast.get_docstring(face.tree), f"{face.path}:1 has no docstring"


@pytest.mark.parametrize("room", [room for room in rooms() if str(room) not in REGISTRIES], ids=str)
def test_a_room_is_small(room):
    inside = [
        module.path.name
        for module in modules()
        if module.path.parent == room and not module.path.name.startswith("__")
    ]
    assert len(inside) <= MOST_MODULES, f"{room} has {len(inside)} modules: {', '.join(inside)}"


def test_every_module_has_a_test_file_of_its_name():
    missing = []
    for module in modules():
        file = Path("tests", module.path.parent, f"test_{module.path.name}")
        if not module.path.name.startswith("__") and not (ROOT / file).exists():
            missing.append(f"{module.path}:1: {file}")
    require_none(missing, "Without a test file of its name:")


def test_only_the_command_line_imports_the_command_line():
    found = [
        place
        for module in modules()
        if not module.inside("converter.cli") and module.name != "converter.__main__"
        for place in module.places(imports_of(module.tree, "converter.cli"))
    ]
    require_none(found, "Imports the command line:")


def mapped() -> set[str]:
    """The files and folders that the map for contributors names."""
    text = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    return set(re.findall(r"`((?:converter|yolov3|tests|scripts)/[^`\s]*)`", text))


def test_the_map_has_every_room():
    top = {
        f"{module.path}"
        for module in modules()
        if str(module.path.parent) in PACKAGES and not module.path.name.startswith("__")
    }
    missing = top | {f"{room}/" for room in rooms() if str(room) not in PACKAGES}
    require_none(sorted(missing - mapped()), "Not in .github/CONTRIBUTING.md:")


def test_the_map_names_nothing_that_is_gone():
    gone = sorted(name for name in mapped() if not (ROOT / name).exists())
    gone = [name for name in gone if "NAME" not in name]  # a placeholder
    require_none(gone, "In .github/CONTRIBUTING.md, and not here:")


IMPORT_ALL = """
import sys
from importlib import import_module

sys.modules["torch"] = None  # whoever imports it gets a ModuleNotFoundError
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        print(f"{name}: {error}")
"""


@pytest.mark.parametrize("package", ["converter", "yolov3"])
def test_importing_needs_no_torch(package):
    names = [module.name for module in modules() if module.inside("converter")]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *(names if package == "converter" else WITHOUT_TORCH)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    require_none(done.stdout.splitlines(), "Not to be imported without torch:")


# The rules see what they should: each line of the code is one case, a "!" ends those to be found.


def lines_with_mark(code: str) -> list[int]:
    return [n for n, line in enumerate(code.splitlines(), start=1) if line.endswith("# !")]


def test_a_torch_import_is_found_wherever_it_runs():
    code = """\
import torch  # !
import numpy, torch.nn as nn  # !
from torch.nn import functional  # !
from torchinfo import summary
try:
    import torch  # !
except ImportError:
    torch = None
class Layer:
    from torch import nn  # !
    def forward(self):
        import torch
if TYPE_CHECKING:
    import torch
else:
    import torch  # !
if typing.TYPE_CHECKING:
    import torch
"""
    assert list(torch_imports(ast.parse(code))) == lines_with_mark(code)


def test_a_refusal_is_found_that_is_chained_to_a_failed_import():
    code = """\
try:
    import torch
except ModuleNotFoundError:
    raise ExtraError("no torch") from None
try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ExtraError("no torch") from error  # !
try:
    import torch
except ImportError:
    raise ExtraError("no torch")  # !
try:
    open(path)
except OSError as error:
    raise OutputError("no file") from error
"""
    assert list(chained_refusals(ast.parse(code))) == lines_with_mark(code)


def test_a_comparison_is_found_in_every_form():
    code = """\
if name == "article": pass  # !
if "article" != name: pass  # !
if name in ("yolov3", "article"): pass  # !
if name not in {"article"}: pass  # !
if 1 < 2 and name == other: pass
match name:
    case "article": pass  # !
    case "article" | "x": pass  # !
    case _: pass
register("article")
TABLE = {"article": 1}
if name == "an article": pass
"""
    assert list(comparisons(ast.parse(code), ["yolov3", "article"])) == lines_with_mark(code)


def test_a_name_is_found_unless_it_is_a_public_default_or_a_choice():
    code = """\
def load(dialect="pjreddie", *, other="pjreddie"): pass
def _load(dialect="pjreddie"): pass  # !
class Model:
    def __init__(self, dialect="pjreddie"): pass
Choice = Literal["auto", "pjreddie"]
DEFAULT = "pjreddie"  # !
load(dialect="pjreddie")  # !
"""
    tree = ast.parse(code)
    allowed = [*defaults(tree), *choices(tree)]
    assert sorted(mentions(tree, ["pjreddie"], allowed)) == lines_with_mark(code)


def test_an_import_of_the_command_line_is_found():
    code = """\
from converter import cli  # !
from converter.cli.main import main  # !
import converter.cli  # !
import converter.client
def late():
    from converter.cli import main  # !
"""
    assert list(imports_of(ast.parse(code), "converter.cli")) == lines_with_mark(code)
