"""Where all commands begin: until they are imported, they cannot say themselves what is wrong."""

import sys
from functools import partial
from importlib import import_module

from converter.errors import ExtraError, install


def _start(module: str, name: str) -> int:
    """Import a command and run it; its exit code."""
    try:
        try:
            command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            from converter.cli.program import refuse  # late: importing it may be interrupted, too

            text = str(error)
            if error.name == "torch":
                text = f"yolov3 needs PyTorch: {install('torch')}"
            return refuse(ExtraError(text), as_json="--json" in sys.argv)
        code: int = command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code


convert = partial(_start, "converter.cli.convert", "convert_main")
verify = partial(_start, "converter.cli.verify", "verify_main")
download = partial(_start, "converter.cli.download", "download_main")
info = partial(_start, "converter.cli.info", "info_main")
report = partial(_start, "converter.cli.report", "report_main")
detect = partial(_start, "converter.cli.detect", "detect_main")
evaluate = partial(_start, "converter.cli.detect", "evaluate_main")
export = partial(_start, "converter.cli.export", "export_main")
