#!/usr/bin/env python3
"""Show what a .cfg, .weights or .safetensors file is. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from converter.cli.main import run_script

if __name__ == "__main__":
    sys.exit(run_script("info"))
