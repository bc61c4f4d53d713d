"""Frozen results as plain values (dicts, lists, bytes, numbers), for stores, and back, exactly."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_TYPE, _ARRAY, _TUPLE = "__type__", "__array__", "__tuple__"


def to_plain(value: object) -> Any:
    """`value` as plain values. Understands dataclasses, arrays, tuples, lists, dicts, numbers, strings, bytes and None.

    Raises:
        TypeError: anything else is in it.
    """
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return value
    if isinstance(value, np.ndarray):
        return {_ARRAY: [value.dtype.str, list(value.shape)], "data": value.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return {_TUPLE: [to_plain(item) for item in value]}
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if is_dataclass(value):
        kept = {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        return {_TYPE: type(value).__name__, **kept}
    raise TypeError(f"{type(value).__name__} cannot be made plain: expected dataclasses, arrays and plain values")


def from_plain(value: Any, *types: type) -> Any:
    """What `to_plain` was given; `types` are the dataclasses that can occur in it.

    Raises:
        KeyError: a dataclass occurs that is not in `types`.
    """
    known = {each.__name__: each for each in types}

    def back(part: Any) -> Any:
        if isinstance(part, list):
            return [back(item) for item in part]
        if not isinstance(part, dict):
            return part
        if _ARRAY in part:
            dtype, shape = part[_ARRAY]
            return np.frombuffer(part["data"], dtype).reshape(shape).copy()
        if _TUPLE in part:
            return tuple(back(item) for item in part[_TUPLE])
        inside = {key: back(item) for key, item in part.items() if key != _TYPE}
        return known[part[_TYPE]](**inside) if _TYPE in part else inside

    return back(value)
