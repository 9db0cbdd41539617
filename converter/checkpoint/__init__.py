"""Safetensors files as this project writes them: header, metadata, types, values.

A module may enter that reads or writes some part of such a file. ``Checkpoint`` opens one whole and
checks all that its metadata claims, so that nobody above has to; it knows no ``.weights`` file.
"""
