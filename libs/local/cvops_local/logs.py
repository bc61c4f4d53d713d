"""Log files of the processes: appended to, put aside when large, and read for their last words."""

from pathlib import Path

ROTATE_AT_BYTES = 20 * 1024 * 1024
KEPT = 3


def rotate(log: Path, at_bytes: int = ROTATE_AT_BYTES, kept: int = KEPT) -> None:
    """Renames a log of `at_bytes` or more to `<name>.1`, after moving older ones up; the oldest of `kept` goes.

    Only before its process starts: a running process keeps writing to the file that it has open.
    """
    if not log.exists() or log.stat().st_size < at_bytes:
        return
    for number in range(kept - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def last_line(log: Path, longest: int = 200) -> str:
    """The last line that says something, cut to `longest` characters; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:longest] if said else ""
