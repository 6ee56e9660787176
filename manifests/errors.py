"""Errors a person can cause. Their text is one line: what was expected, what was found, what to do."""


class UserError(Exception):
    """A state of the world the user can mend. Commands print its one line and exit with 1."""
