"""Safetensors files as this project writes them: header, metadata, types, values.

A module may enter that reads or writes some part of such a file, or finds in a file of PyTorch's
what such a file would hold. ``Checkpoint`` opens one whole and checks all that its metadata claims,
so that nobody above has to; it knows no ``.weights`` file.
"""
