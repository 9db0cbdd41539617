"""What users do with files: convert, go back, verify, inspect, download; one module each.

Each is a function with typed arguments and a record as its result; command lines are in ``cli``.
"""
