"""The command lines, one module each, and what they share.

The only room that prints, parses arguments and turns refusals into exit codes.
"""
