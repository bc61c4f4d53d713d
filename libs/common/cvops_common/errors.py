"""The errors of cvops, as one tree.

    CvopsError
    ├── Rejected            the sender's input is wrong; sending it again cannot help
    │   ├── BadImage        not an image, truncated, too large, a bomb
    │   ├── BadArgument     a value, shape or name that cannot be used
    │   ├── BadRecord       a record of the bus that cannot be decoded or makes no sense
    │   ├── BadBundle       a model file or bundle that is broken or not supported
    │   ├── NotFound        the thing named does not exist
    │   ├── AlreadyExists   the thing named exists
    │   ├── Conflict        somebody else changed the thing since the caller saw it
    │   ├── Unauthenticated no key, or one that is not known
    │   └── Forbidden       the key is known and its role does not allow this
    └── Unavailable         an engine or a service is away or full; sending it again later can help
        ├── Overloaded      a queue is full
        └── NotReady        starting, or no model is loaded yet

Each message names the thing, what was expected, what was found and what to do. `reason` is a short stable word for
counters and programs; docs/errors.md lists them.
"""


class CvopsError(Exception):
    """Base of all errors that cvops raises on purpose.

    Attributes:
        reason: stable word for counters, ledgers and programs.
        retryable: whether the same call can succeed later without a change by the caller.
    """

    reason: str = "error"
    retryable: bool = False

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class Rejected(CvopsError):
    """The input is wrong; sending it again cannot help."""

    reason = "rejected"


class BadImage(Rejected):
    """Not an image, truncated, too large or a decompression bomb."""

    reason = "bad_image"


class BadArgument(Rejected):
    """A value, shape or name that cannot be used."""

    reason = "bad_argument"


class BadRecord(Rejected):
    """A record of the bus that cannot be decoded or makes no sense."""

    reason = "bad_record"


class BadBundle(Rejected):
    """A model file or bundle that is broken or not supported."""

    reason = "bad_bundle"


class NotFound(Rejected):
    """The thing named does not exist."""

    reason = "not_found"


class AlreadyExists(Rejected):
    """The thing named exists already."""

    reason = "already_exists"


class Conflict(Rejected):
    """Somebody else changed the thing since the caller saw it; look at it again."""

    reason = "conflict"


class Unauthenticated(Rejected):
    """No API key, or one that is not known."""

    reason = "unauthenticated"


class Forbidden(Rejected):
    """The key is known, its role does not allow this call."""

    reason = "forbidden"


class Unavailable(CvopsError):
    """An engine or a service is away; the same call can succeed later."""

    reason = "unavailable"
    retryable = True


class Overloaded(Unavailable):
    """A bounded queue is full."""

    reason = "overloaded"


class NotReady(Unavailable):
    """Starting, or no model is loaded yet."""

    reason = "not_ready"
