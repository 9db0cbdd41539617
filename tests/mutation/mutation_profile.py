"""A pytest plugin: how hypothesis behaves while mutants are tested, many times in one process.

It is chosen by --hypothesis-profile, since conftest.py chooses another.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutation",
    derandomize=True,  # a mutant is killed or not, whatever the day
    database=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.differing_executors],
)
