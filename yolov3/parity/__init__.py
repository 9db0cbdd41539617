"""The same input through a model and through real engines, compared layer by layer.

A module may enter that runs an engine, knows where one departs from its own source, or compares.
What an engine is meant to compute is in ``converter.darknet``.
"""
