"""Models as files for other runtimes, each run again and compared before it gets its name.

A module may enter that writes a format, prepares a model for writing, or checks what was written.
"""
