"""Commands as users run them: processes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "scripts"


def python(*arguments, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def script(name: str, *arguments, **options) -> subprocess.CompletedProcess[str]:
    return python(SCRIPTS / f"{name}.py", *arguments, **options)


def module(*arguments, **options) -> subprocess.CompletedProcess[str]:
    """``python -m converter``, from the root of the checkout."""
    return python("-m", "converter", *arguments, cwd=ROOT, **options)
