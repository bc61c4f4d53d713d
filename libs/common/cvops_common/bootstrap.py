"""Makes the first API key of a platform: `python -m cvops_common.bootstrap`, before its services start.

Harmless to run again: when there are keys, it makes none.
"""

import os
import sys
from pathlib import Path

from cvops_common.access import KeyFile, Role
from cvops_common.errors import CvopsError


def first_key(path: Path) -> str | None:
    """An administrator's key in clear, written hashed to `path`; None when there are keys already.

    Raises:
        Unavailable: the key file is there and cannot be read.
    """
    keys = KeyFile(path)
    return None if keys.list() else keys.create(Role.ADMIN, name="first key")


def main() -> int:
    """Prints the key, once; 0 when there is one, new or old."""
    given = os.environ.get("CVOPS_KEYS")
    if not given:
        sys.stderr.write("CVOPS_KEYS is not set: it names the key file, e.g. /etc/cvops/keys.json\n")
        return 2
    try:
        clear = first_key(Path(given))
    except (CvopsError, OSError) as error:
        sys.stderr.write(f"no key was made in {given}: {error}\n")
        return 1
    if clear is None:
        sys.stdout.write(f"{given} has keys: nothing to do\n")
    else:
        sys.stdout.write(f"administrator's key, shown only now: {clear}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
