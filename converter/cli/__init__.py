"""The command lines, one module each, and what they share.

The only room that prints, parses arguments and turns refusals into exit codes. A command's module
has ``make_parser`` and ``run``; ``main`` imports the one that a call names, ``runner`` calls it.
"""

# As ``--help`` lists them.
COMMANDS = {
    "convert": "convert .weights to safetensors, or back, and check every float",
    "verify": "compare a checkpoint with its .weights file, float by float",
    "info": "show a .cfg, .weights or .safetensors file, layer by layer",
    "report": "write a page that shows which bytes became which tensors",
    "download": "download published weights and check their hashes",
    "detect": "find objects in pictures and draw them on copies",
    "evaluate": "measure mean average precision on labelled pictures",
    "export": "write a model for other runtimes: ONNX, TorchScript, pt2",
}
