"""`bundle.json` to and from its dataclasses, strictly: an unknown, missing or mistyped field is an error."""

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cvops_bundles.spec import FORMAT_VERSION, BundleSpec
from cvops_common.errors import BadBundle


def spec_to_json(spec: BundleSpec) -> bytes:
    """UTF-8 JSON with sorted keys: the same spec gives the same bytes."""
    text = json.dumps(dataclasses.asdict(spec), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def spec_from_json(data: bytes) -> BundleSpec:
    """The spec that `data` describes.

    Raises:
        BadBundle: not JSON, of a newer format, or a field is unknown, missing or of the wrong type.
    """
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBundle(f"bundle.json: expected UTF-8 JSON, found {error}") from error
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if version != FORMAT_VERSION:
        raise BadBundle(
            f"bundle.json: expected format_version {FORMAT_VERSION}, found {version!r}; "
            "update cvops, or write the bundle again with this one"
        )
    spec: BundleSpec = _read(BundleSpec, tree, "bundle.json")
    return spec


def _read(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if origin in (Union, types.UnionType):
        return None if value is None else _read(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {key: _read(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is Literal and value in get_args(kind):
        return value
    if origin is None and issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise BadBundle(f"{where}: expected {_words(kind)}, found {value!r:.80}")


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise BadBundle(f"{where}: expected an object, found {value!r:.80}")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(value.keys() - fields.keys()):
        raise BadBundle(f"{where}: unknown fields {unknown}; update cvops, or remove them")
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - value.keys()):
        raise BadBundle(f"{where}: the fields {missing} are missing; write the bundle again")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _words(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"one of {[str(member) for member in kind]}"
    return {str: "text", int: "a whole number", float: "a finite number", bool: "true or false"}.get(kind, str(kind))
