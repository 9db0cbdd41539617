"""Ways to do the same, measured in turns and compared with the first of them."""

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

Figure = TypeVar("Figure")


def in_turns(ways: Mapping[str, Callable[[], Figure]], rounds: int) -> dict[str, list[Figure]]:
    """What each way gives, in each round; the order is random, so that a busy machine slows all."""
    found: dict[str, list[Figure]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            found[way].append(ways[way]())
    return found


def medians(times: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, float, float]]:
    """Each way, its median, and that of its ratios to the first way in the same round."""
    first = next(iter(times.values()))
    for way, found in times.items():
        ratios = (mine / theirs for mine, theirs in zip(found, first, strict=True))
        yield way, statistics.median(found), statistics.median(ratios)
