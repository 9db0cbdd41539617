"""The same input through a model and through real engines, compared layer by layer."""
