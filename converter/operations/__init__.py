"""What users do with files: convert, go back, verify, inspect, download; one module each.

A module may enter that is a function with typed arguments and a record as its result, or the part
that several of them share. Nothing here prints or needs PyTorch; command lines are in ``cli``.
"""
