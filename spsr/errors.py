"""The three ways in which a command ends other than by finishing its work."""


class InputError(Exception):
    """Something the user gave is wrong (exit code 2).

    The message is one line: the place, what is wrong with it, and the remedy.
    """


class Stopped(Exception):
    """The work was stopped early, everything is saved, and the same command goes on with it (exit code 75)."""


class RunFailed(Exception):
    """The work itself failed, for a reason that a person has to look at (exit code 1)."""
