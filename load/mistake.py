"""What the person who runs a probe did wrong."""


class Mistake(Exception):
    """Names the thing, the reason and the remedy; the program ends with exit status 2 and no stack trace."""
