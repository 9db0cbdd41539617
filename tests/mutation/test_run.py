"""Which mutants are chosen: what the branch changed, and a sample."""

from pathlib import Path
from zlib import crc32

from mutation.run import MOST, SAMPLE, Mutant, changed_functions, changed_lines, choose

MODULE = """\
LIMIT = 3

def first(x):
    return x

class Box:
    def area(self):
        return 1

    def side(self):
        def inner():
            return 2
        return inner
"""


def made(function: str, count: int, file: str = "a.py") -> list[Mutant]:
    return [Mutant(f"a.x_{function}__mutmut_{n}", Path(file), function) for n in range(count)]


def test_a_diff_gives_the_new_lines_of_each_file():
    diff = """\
diff --git a/converter/old.py b/converter/new.py
similarity index 90%
rename from converter/old.py
rename to converter/new.py
--- a/converter/old.py
+++ b/converter/new.py
@@ -3 +3,2 @@ def first(x):
-    return x
+    y = x
+    return y
@@ -20,2 +21,0 @@ class Box:
-    gone
-    gone
diff --git a/converter/gone.py b/converter/gone.py
--- a/converter/gone.py
+++ /dev/null
@@ -1,9 +0,0 @@
-gone
"""
    assert changed_lines(diff) == {Path("converter/new.py"): {3, 4, 21}}


def test_a_line_belongs_to_its_function_or_method():
    assert changed_functions(MODULE, {1, 2}) == set()
    assert changed_functions(MODULE, {4}) == {"first"}
    assert changed_functions(MODULE, {8, 12}) == {"Box.area", "Box.side"}


def test_all_mutants_of_a_changed_function_are_tested():
    found = made("first", 40) + made("other", 400) + made("first", 40, "b.py")
    chosen, fresh = choose(found, {Path("a.py"): {"first"}})
    assert fresh == 40
    assert set(chosen[:40]) == set(found[:40])
    sample = {mutant for mutant in found[40:] if crc32(mutant.name.encode()) % SAMPLE == 0}
    assert set(chosen[40:]) == sample
    assert 440 / SAMPLE / 2 < len(sample) < 440 / SAMPLE * 2
    assert choose(found[::-1], {Path("a.py"): {"first"}}) == (chosen, fresh)


def test_a_large_change_leaves_room_for_the_others():
    found = made("first", 5000) + made("other", 5000)
    chosen, fresh = choose(found, {Path("a.py"): {"first"}})
    assert (len(chosen), fresh) == (MOST, 5000)
    assert sum(mutant.function == "other" for mutant in chosen) == MOST - MOST // 2
