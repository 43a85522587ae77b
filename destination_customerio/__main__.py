"""`python -m destination_customerio`: the same as the console script."""

from destination_customerio.cli import run

run()
