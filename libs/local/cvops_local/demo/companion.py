"""A `cvops` command that dies with the demo: `python -m cvops_local.demo.companion PARENT ARGUMENTS...`.

It ties itself to its parent, because nothing may run between fork and exec of a process that has threads of gRPC.
"""

import os
import sys

from cvops_common.tie import die_with


def main() -> None:
    """Becomes `cvops ARGUMENTS`."""
    die_with(int(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, "-m", "cvops", *sys.argv[2:]])  # noqa: S606


if __name__ == "__main__":
    main()
