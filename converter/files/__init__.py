"""Bytes in and out: opening, reading, hashing, replacing whole files, URLs.

A module may enter that knows files and their first bytes, and nothing of what stands in them; what
PyTorch pickled is read as inert data, of which others make sense.
"""
