"""A process that does not outlive the one that started it."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent_pid: int) -> None:
    """The kernel kills this process when the thread that started it ends; lasts beyond exec. Does nothing off Linux.

    SIGKILL and not SIGTERM, because it cannot hang: who is tied must lose nothing by it. Safe between fork and exec.

    Args:
        parent_pid: of the process that started this one; if it is gone already, this one ends at once.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)
