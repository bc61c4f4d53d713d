"""A `cvops` command that dies with the demo: `python -m cvops_local.demo.companion PARENT ARGUMENTS...`.

It ties itself to its parent, because nothing may run between fork and exec of a process that has threads of gRPC.
"""

import os
import sys

from cvops_local.child import die_with_parent


def main() -> None:
    """Becomes `cvops ARGUMENTS`."""
    if (tie := die_with_parent(int(sys.argv[1]))) is not None:
        tie()
    os.execv(sys.executable, [sys.executable, "-m", "cvops", *sys.argv[2:]])  # noqa: S606


if __name__ == "__main__":
    main()
