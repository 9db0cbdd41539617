"""Darknet's formats: cfg, section types (``layers``), network, header, and the engines.

Every fact here is one of the C sources and cites them, file and line: ``pj`` is
pjreddie/darknet@f6afaab, ``AB`` AlexeyAB/darknet@59596d7. No PyTorch but inside methods of layers.
A module may enter that knows what an engine reads or computes; tensor names and offsets stay out.
"""
