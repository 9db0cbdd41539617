"""How well detections fit labels: Darknet's figures, COCO's, which class for which; and drawn.

A module may enter that computes or draws a figure from detections and objects. None runs a model or
opens a picture.
"""
