"""Where all commands begin: until they are imported, they cannot say themselves what is wrong."""

import sys
from functools import partial
from importlib import import_module

from converter.errors import ExtraError


def _start(module: str, name: str) -> int:
    """Import a command and run it; its exit code."""
    try:
        try:
            command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            from converter.command import refuse  # late: importing it may be interrupted, too

            return refuse(ExtraError(str(error)), as_json="--json" in sys.argv)
        code: int = command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code


convert = partial(_start, "converter.convert_cli", "convert_main")
verify = partial(_start, "converter.verify_cli", "verify_main")
download = partial(_start, "converter.download_cli", "download_main")
info = partial(_start, "converter.info_cli", "info_main")
report = partial(_start, "converter.report.cli", "report_main")
detect = partial(_start, "yolov3.cli", "detect_main")
evaluate = partial(_start, "yolov3.cli", "evaluate_main")
export = partial(_start, "yolov3.export_cli", "export_main")
