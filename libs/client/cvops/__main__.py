"""`python -m cvops` is the `cvops` command."""

from cvops.cli.main import main

main()
