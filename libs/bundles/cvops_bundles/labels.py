"""Class names from a file."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

from cvops_common.errors import BadBundle

_INDEXED: Final = re.compile(r"\s*(\d+)\s*[,;\t]\s*(.*)")
_MAX_BYTES: Final = 1 << 20


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names by index, of a text file with one name a line, or of lines `index,name` with indices from 0.

    Raises:
        BadBundle: not text, empty, a line is empty, or the indices are not 0, 1, 2, ...
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadBundle(f"{path.name}: expected labels of at most 1 MiB, found {path.stat().st_size} bytes")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBundle(f"{path.name}: expected labels as UTF-8 text, found {error}") from error
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines or not all(lines):
        empty = lines.index("") + 1 if lines else 1
        raise BadBundle(f"{path.name}: line {empty} is empty; expected one class name a line, or index,name")
    # A head line ("index,name") is none of the classes.
    body = lines[1:] if len(lines) > 1 and not _INDEXED.fullmatch(lines[0]) else lines
    matches = [_INDEXED.fullmatch(line) for line in body]
    if all(matches):
        return unique(tuple(_by_index(path, {int(m[1]): m[2] for m in matches if m}, len(body))))
    return unique(tuple(lines))


def unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, those that occur more than once followed by their index: ImageNet has two kinds of crane."""
    counts = Counter(names)
    return tuple(f"{name} ({i})" if counts[name] > 1 else name for i, name in enumerate(names))


def _by_index(path: Path, names: dict[int, str], count: int) -> list[str]:
    missing = sorted(set(range(count)) - names.keys())
    if missing:
        raise BadBundle(
            f"{path.name}: expected the indices 0..{count - 1} once each, but {missing[:5]} are missing; number from 0"
        )
    return [names[i].strip().strip('"') for i in range(count)]
