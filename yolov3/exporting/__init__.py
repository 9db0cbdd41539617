"""Models as files for other runtimes, each run again and compared before it gets its name."""
