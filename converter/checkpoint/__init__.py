"""Safetensors files as this project writes them: header, metadata, types, values.

A module may enter that reads or writes some part of such a file, or finds in a file of PyTorch's
what such a file would hold.
"""
