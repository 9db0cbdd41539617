#!/usr/bin/env python3
"""Write a model for other runtimes. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    from yolov3.export_cli import export_main
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}")

if __name__ == "__main__":
    sys.exit(export_main())
