"""`python -m spsr`."""

from spsr.cli import main

main()
