"""A project as a YAML file: read with line numbers in every complaint, and written."""

from collections.abc import Iterator
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from cvops_common.errors import BadArgument
from cvops_common.project_rules import nearest, problems
from cvops_protos.v1.project_pb2 import Project

# Set by the platform: they do not stand in a file.
_OURS = ("revision", "updated_at")
_WHOLE = (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
_MOST_CHARACTERS = 1_000_000


def parse(text: str, name: str) -> Project:
    """The project that a YAML text declares, checked; what it leaves out stays absent.

    Args:
        text: the YAML.
        name: of the file, for messages.

    Raises:
        BadArgument: with file, line, field, what was expected, what was found and the cure.
    """
    if len(text) > _MOST_CHARACTERS:
        raise BadArgument(f"{name}: {len(text)} characters are no project: expected at most {_MOST_CHARACTERS}")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or "it cannot be read"
        raise BadArgument(f"{name}{line}: this is no YAML: {said}; look at indentation, colons and quotes") from error
    if root is None:
        raise BadArgument(f"{name}: the file is empty: expected at least `project: NAME`")
    reader = _Reader(name)
    project = Project()
    reader.fill(project, root, "")
    for field, sentence in problems(project):
        raise BadArgument(f"{name}, line {reader.line(field)}: {field}: {sentence}")
    return project


def to_yaml(project: Project) -> str:
    """The project as YAML that `parse` reads to the same; revision and time are left out."""
    return yaml.safe_dump(plain(project), sort_keys=False, allow_unicode=True, width=100)


def plain(project: Project) -> dict[str, Any]:
    """The fields that are set, as lists and dictionaries."""
    found = MessageToDict(project, preserving_proto_field_name=True)
    return {name: value for name, value in found.items() if name not in _OURS}


class _Reader:
    """Fills a message from a tree of YAML nodes and remembers on which line each field stands."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[str, int] = {}

    def line(self, field: str) -> int:
        """Of a field, or of the nearest one that holds it."""
        while field and field not in self._lines:
            field = field.rpartition(".")[0]
        return self._lines.get(field, 1)

    def fill(self, message: Message, node: yaml.Node, path: str) -> None:
        """Sets the fields of `message` that the mapping `node` names."""
        known = tuple(field.name for field in message.DESCRIPTOR.fields if path or field.name not in _OURS)
        for key, value in self._entries(node, path or "a project"):
            at = f"{path}.{key}" if path else key
            if key not in known:
                where = f"{path} has" if path else "a project has"
                raise self._wrong(value, f"{where} no field {key!r}: {nearest(key, known)}")
            self._lines[at] = value.start_mark.line + 1
            if value.tag != "tag:yaml.org,2002:null":
                self._set(message, key, value, at)

    def _set(self, message: Message, key: str, node: yaml.Node, at: str) -> None:
        field = message.DESCRIPTOR.fields_by_name[key]
        target = getattr(message, key)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            for name, value in self._entries(node, at):
                self._lines[f"{at}.{name}"] = value.start_mark.line + 1
                target[name] = self._scalar(entry.fields_by_name["value"], value, f"{at}.{name}", words=True)
        elif field.is_repeated:
            for i, item in enumerate(self._items(node, at)):
                self._lines[f"{at}.{i}"] = item.start_mark.line + 1
                if entry is not None:
                    self.fill(target.add(), item, f"{at}.{i}")
                else:
                    target.append(self._scalar(field, item, f"{at}.{i}"))
        elif entry is not None:
            target.SetInParent()
            self.fill(target, node, at)
        else:
            setattr(message, key, self._scalar(field, node, at))

    def _entries(self, node: yaml.Node, at: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{at}: expected fields as `name: value`, found {_kind(node)}")
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._wrong(key, f"{at}: expected a name before the colon, found {_kind(key)}")
            if key.value in seen:
                raise self._wrong(key, f"{at}: {key.value!r} stands there twice; remove one")
            seen.add(key.value)
            yield key.value, value

    def _items(self, node: yaml.Node, at: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(node, f"{at}: expected a list, found {_kind(node)}; write `[a, b]` or one `- a` a line")
        return list(node.value)

    def _scalar(self, field: Any, node: yaml.Node, at: str, *, words: bool = False) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self._wrong(node, f"{at}: expected one value, found {_kind(node)}")
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            if not words and node.tag != "tag:yaml.org,2002:str":
                raise self._wrong(node, f"{at}: expected words, found {node.value!r}; put it in quotes")
            return node.value
        value = _value_of(node)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if not isinstance(value, bool):
                raise self._wrong(node, f"{at}: expected true or false, found {node.value!r}")
            return value
        return self._number(field, value, node, at)

    def _number(self, field: Any, value: Any, node: yaml.ScalarNode, at: str) -> int | float:
        whole = field.cpp_type in _WHOLE
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            expected = "a whole number" if whole else "a number"
            raise self._wrong(node, f"{at}: expected {expected}, found {node.value!r}")
        if whole and not 0 <= value < 2**32:
            raise self._wrong(node, f"{at}: expected 0 or more, found {node.value}; change it, or leave it out")
        return value if whole else float(value)

    def _wrong(self, node: yaml.Node, sentence: str) -> BadArgument:
        return BadArgument(f"{self._name}, line {node.start_mark.line + 1}: {sentence}")


def _value_of(node: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except ValueError:
        return node.value
    finally:
        loader.dispose()


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "fields"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(str(node.value)[:80])
