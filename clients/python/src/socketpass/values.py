"""Python's own values for google.protobuf.Struct and Value, and back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import inf
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

MAX_DEPTH = 24
"""The service takes no values that are nested deeper."""

_WHOLE = 2.0**53
"""Up to here a double holds every whole number."""


def to_struct(value: Mapping[str, Any], *, most: float = inf) -> Struct:
    """The Struct of an object. ValueError and TypeError where it cannot be one, or has more bytes than `most`."""
    struct = Struct()
    _Writer(most).fill(struct, value, 1)
    _check_size(struct.ByteSize(), most)
    return struct


def to_value(value: Any) -> Value:
    """The Value of anything that JSON has."""
    message = Value()
    _Writer(inf).set(message, value, 1)
    return message


def from_struct(struct: Struct) -> dict[str, Any]:
    """The object that a Struct stands for."""
    # Users are alike: ten thousand of them need each name once.
    return {sys.intern(name): from_value(value) for name, value in struct.fields.items()}


def from_value(value: Value) -> Any:
    """What a Value stands for. Whole numbers are int."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _WHOLE else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case _:
            return None


class _Writer:
    """Writes values, and stops when they are too large: what is large takes long."""

    __slots__ = ("_most", "_written")

    def __init__(self, most: float) -> None:
        self._most = most
        self._written = 0

    def _count(self, size: int) -> None:
        # Never more than there will be: the lengths of what is nested take some, too.
        self._written += size
        _check_size(self._written, self._most)

    def fill(self, struct: Struct, value: Mapping[str, Any], depth: int) -> None:
        _check_depth(depth)
        for name, member in value.items():
            if not isinstance(name, str):
                raise TypeError(f"an object's names are str, not {type(name).__name__}")
            self._count(len(name) + 4)
            self.set(struct.fields[_text(name)], member, depth + 1)

    def set(self, message: Value, value: Any, depth: int) -> None:
        self._count(2)
        if isinstance(value, str):
            self._count(len(value))
            message.string_value = _text(value)
        elif isinstance(value, bool):
            message.bool_value = value
        elif isinstance(value, (int, float)):
            self._count(7)
            try:
                message.number_value = value
            except OverflowError as error:
                raise ValueError("a number is too large for a double") from error
        elif value is None:
            message.null_value = 0  # type: ignore[assignment]
        elif isinstance(value, Mapping):
            message.struct_value.SetInParent()
            self.fill(message.struct_value, value, depth)
        elif isinstance(value, (list, tuple)):
            _check_depth(depth)
            message.list_value.SetInParent()
            for item in value:
                self.set(message.list_value.values.add(), item, depth + 1)
        else:
            raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _check_size(size: int, most: float) -> None:
    if size > most:
        raise ValueError(f"larger than {most:,} bytes")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _text(text: str) -> str:
    """The text as UTF-8 can carry it: half a surrogate pair, which JSON may hold, becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
