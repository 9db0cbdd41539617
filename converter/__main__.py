"""``python -m converter COMMAND ...``: what ``darknet-safetensors`` is, without being installed."""

import sys

from converter.cli.main import main

if __name__ == "__main__":
    sys.exit(main(program="python -m converter"))
