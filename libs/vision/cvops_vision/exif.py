"""The one EXIF field that matters to pixels: the orientation (Exif 2.3, tag 0x0112)."""

import struct

_ORIENTATION = 0x0112
_MAX_ENTRIES = 512


def orientation_of(tiff: bytes) -> int:
    r"""Orientation 1..8 of the TIFF block of an EXIF segment; 1 (upright) when it tells none or is damaged.

    Args:
        tiff: the block without its "Exif\0\0" prefix, beginning with "II" or "MM".
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for index in range(min(entries, _MAX_ENTRIES)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * index)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
