"""Records that cost little to define, and are the standard library's dataclasses all the same."""

import dataclasses
import subprocess
import sys

from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Named(Point):
    name: str


def test_equal_ones_are_equal_and_hash_alike():
    assert Point(x=1) == Point(x=1, y=0) != Point(x=1, y=2)
    assert {Point(x=1), Point(x=1, y=0), Point(x=1, y=2)} == {Point(x=1), Point(x=1, y=2)}
    assert Named("a", x=1) == Named("a", x=1) != Point(x=1)


def test_the_standard_library_knows_them():
    assert dataclasses.replace(Point(x=1), y=3) == Point(x=1, y=3)
    assert dataclasses.asdict(Named("a", x=1)) == {"x": 1, "y": 0, "name": "a"}
    assert repr(Point(x=1)) == "Point(x=1, y=0)"


def test_without_eq_each_is_another():
    @dataclass(frozen=True, eq=False)
    class Thing:
        x: int

    thing = Thing(1)
    assert thing != Thing(1)
    assert {thing, Thing(1), thing} != {thing}
    assert hash(thing) == object.__hash__(thing)


def test_a_hash_of_its_own_stays():
    @dataclass(frozen=True)
    class Thing:
        x: int

        def __hash__(self):
            return 7

    assert hash(Thing(1)) == 7


def test_what_is_not_frozen_cannot_be_hashed():
    @dataclass
    class Thing:
        x: int

    thing = Thing(1)
    thing.x = 2
    assert thing == Thing(2)
    assert Thing.__hash__ is None


def test_slots_are_slots():
    @dataclass(frozen=True, slots=True)
    class Thing:
        x: int

    assert not hasattr(Thing(1), "__dict__")
    assert hash(Thing(1)) == hash(Thing(1))


def test_type_checkers_refuse_an_assignment(tmp_path):
    (tmp_path / "use.py").write_text(
        "from converter.records import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Point:\n"
        "    x: int\n"
        "point = Point(x=1)\n"
        "point.x = 2\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", tmp_path / "use.py"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'use.py:6: error: Property "x" defined in "Point" is read-only' in done.stdout
