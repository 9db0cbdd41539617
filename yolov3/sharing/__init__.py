"""Models as folders and as repositories of the Hugging Face Hub.

A module may enter that writes or reads such a folder, or moves one to or from the Hub. Every model
class has this as a mixin, so it stands below the models and knows none of them.
"""
