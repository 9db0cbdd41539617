#!/usr/bin/env python3
"""Measure a detector's mean average precision. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    from yolov3.cli import evaluate_main
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}")

sys.exit(evaluate_main())
