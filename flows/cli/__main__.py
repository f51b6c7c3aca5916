"""`python -m flows.cli`: the command line, for who starts it as a module, as `serve` does."""

from flows.cli.main import main

main()
