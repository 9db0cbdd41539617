"""Which modules are mutated, what must notice, and how survivors are excused."""

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest
from mutation.run import EXCUSED, ROOT, TARGETS, Mutant, Target, config, survivor


def names(target: Target) -> list[str]:
    """Of the functions that a target mutates: module.function, module.Class.method."""
    found = []
    for path in sorted(ROOT.glob(target.files)):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            functions = [each for each in inside if isinstance(each, ast.FunctionDef)]
            wanted = [f"{prefix}{each.name}" for each in functions]
            found += [f"{module}.{name}" for name in wanted if fnmatch(name, target.functions)]
    return found


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.files} {target.functions}")
def test_every_target_is_there_and_what_must_notice_as_well(target):
    assert names(target)
    assert target.every_test()
    assert all((ROOT / test).exists() for test in target.every_test())


def test_a_modules_own_tests_come_first():
    target = Target("converter/plan.py", tests=("test_round_trip.py",))
    assert target.every_test() == ["tests/converter/test_plan.py", "tests/test_round_trip.py"]


def test_a_pattern_stands_for_the_test_files_of_its_modules():
    target = Target("converter/families/tianxiaomo*.py", tests=("test_round_trip.py",))
    assert target.every_test() == [
        "tests/converter/families/test_tianxiaomo.py",
        "tests/converter/families/test_tianxiaomo_class.py",
        "tests/test_round_trip.py",
    ]


def test_mutmut_is_told_the_module_and_its_tests():
    said = config(Target("converter/plan.py"))
    assert "only_mutate =\n    converter/plan.py\n" in said
    assert "pytest_add_cli_args_test_selection =\n    tests/converter/test_plan.py\n" in said


def test_an_excuse_is_for_a_function_that_is_mutated_and_has_a_reason():
    known = {name for target in TARGETS for name in names(target)}
    for line in EXCUSED.read_text().splitlines():
        function, _, rest = line.partition(": ")
        assert function in known, line
        changed, _, reason = rest.rpartition("  # ")
        assert changed, line
        assert reason, line


def test_a_survivor_is_its_function_and_the_line_that_it_was_given(tmp_path, monkeypatch):
    """Without its number, which changes with every other function of the module."""
    from mutmut.mutation import diff_apply  # late: it is not for Windows

    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n def first(x):\n-    return x\n+    return None"
    monkeypatch.setattr(diff_apply, "get_diff_for_mutant", lambda name, path: diff)
    mutant = Mutant("converter.a.x_first__mutmut_7", Path("converter/a.py"), "first")
    assert survivor(tmp_path, mutant) == "converter.a.first: return None"
    monkeypatch.setattr(
        diff_apply, "get_diff_for_mutant", lambda name, path: diff.rpartition("\n")[0]
    )
    assert survivor(tmp_path, mutant) == "converter.a.first: -return x"
