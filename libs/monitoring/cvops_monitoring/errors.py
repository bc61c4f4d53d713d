"""What a statistic refuses."""


class TooFewFrames(ValueError):
    """The reference is too short for an honest threshold; the message says how many frames are needed."""


class WrongShape(ValueError):
    """An array does not have the shape that the reference has; the message says expected and found."""
