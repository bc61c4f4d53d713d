"""COCO's packed run lengths.

Each number is written in groups of five bits, lowest first, as characters from "0" on; the sixth bit says that more
follows. From the third number on what is written is the difference to the number two before.
Source: the format of `counts` in COCO's mask files.
"""

from collections.abc import Sequence


def decoded(text: str) -> tuple[int, ...]:
    """The run lengths in a text.

    Raises:
        ValueError: it ends inside a number, or holds other characters.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"character {character!r} is none of packed run lengths")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise ValueError("the text ends inside a number")
    return tuple(counts)


def encoded(counts: Sequence[int]) -> str:
    """Run lengths as a text."""
    out = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            out.append(chr(48 + (group | 32 if more else group)))
    return "".join(out)
