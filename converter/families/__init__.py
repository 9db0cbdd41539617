"""Naming schemes: which network gets which tensor names."""
