"""Pictures in, boxes out, as Darknet itself answers; and how well, on labelled pictures.

A module may enter that stands between a picture's file and its boxes, or judges boxes. Only
``in_torch`` and ``in_onnx`` run a model; only ``in_torch`` and ``classify`` need PyTorch.
"""
