"""The version, for pyproject.toml and for the checkpoints.

A constant: reading it from the installed metadata would cost a tenth of a conversion.
"""

VERSION = "0.1.0"
TOOL = f"darknet-safetensors {VERSION}"
