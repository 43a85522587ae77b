"""Reads the members of an entry with their types, or refuses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntryError:
    """Why an entry is refused: `reason` a code word, `field` the member or attribute, `message` a sentence."""

    reason: str
    field: str
    message: str

    def to_json(self) -> dict[str, str]:
        """The members of one error of an answer."""
        return {"reason": self.reason, "field": self.field, "message": self.message}


class BrokenRule(Exception):  # noqa: N818 - the verdict on one entry; `check_entry` returns its error
    """A member breaks a rule."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.error = EntryError(reason, field, message)


def only(entry: JsonObject, *members: str) -> None:
    """Refuse any member but these, the type and the action."""
    no_others(entry, {"type", "action", *members})


def no_others(owner: JsonObject, members: set[str]) -> None:
    """Refuse any other member."""
    if not owner.keys() <= members:
        stranger = next(name for name in owner if name not in members)
        raise BrokenRule("unknown", stranger, f"{stranger} does not belong here")


def required(owner: JsonObject, member: str) -> object:
    """A member that must be there."""
    if member not in owner:
        raise BrokenRule("required", member, f"{member} is required")
    return owner[member]


def text_of(owner: JsonObject, member: str) -> str:
    """A required member that is text and not blank."""
    value = required(owner, member)
    if type(value) is not str:
        raise BrokenRule("invalid", member, f"{member} must be a string")
    if not value.strip():
        raise BrokenRule("required", member, f"{member} must not be blank")
    return value


def object_of(value: object, name: str) -> JsonObject:
    """A value that is an object; `name` is for the refusal."""
    if type(value) is not dict:
        raise BrokenRule("invalid", name, f"{name} must be an object")
    return value


def optional_object(owner: JsonObject, member: str) -> JsonObject:
    """A member that is an object; empty if it is missing."""
    return object_of(owner[member], member) if member in owner else {}


def too_large(field: str, limit: int) -> BrokenRule:
    """The refusal of a value over its limit."""
    return BrokenRule("too_large", field, f"{field} is over the limit of {limit} bytes")
