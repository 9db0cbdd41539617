"""Darknet's loss, to train with in PyTorch what goes back to Darknet afterwards.

A module may enter that says what the engines' [yolo] layers want of raw maps. Loops, loaders and
augmentation are left to others.
"""
