"""Attributes of a person that make Customer.io act, and that have to be true or false.

Anything else counts as false there: somebody with `unsubscribed: "true"` would be sent mail. Warehouses have booleans as
text and as numbers, so these are converted, and what can't be read is reported.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, plain
from destination_customerio.mapping.json_text import members_in
from destination_customerio.mapping.notices import ColumnNames
from destination_customerio.mapping.visible_text import is_blank, trimmed

# Has Customer.io update a person only if they exist.
UPDATE = "_update"
_FLAGS = frozenset({"unsubscribed", UPDATE})
# Topics come as an object of objects, or under dotted names.
_PREFERENCES = "cio_subscription_preferences"
_TOPICS = f"{_PREFERENCES}.topics"
_TOPIC_PREFIX = f"{_TOPICS}."

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "0.0"), False),
}

_UNCLEAR = object()


def acts(name: str) -> bool:
    """Whether an attribute of a person acts."""
    return name in _FLAGS or name in (_PREFERENCES, _TOPICS) or name.startswith(_TOPIC_PREFIX)


class ActingAttributes:
    """Converts the acting attributes of one stream's rows.

    unclear  names of those with a value that is neither true nor false
    """

    def __init__(self) -> None:
        self.unclear = ColumnNames()

    def convert(self, attributes: JsonObject, name: str) -> None:
        """Convert one acting attribute in place; null stays, and so does what can't be read.

        Raises:
            Rejection: preferences as text that is not JSON.
        """
        value = attributes[name]
        if name == _PREFERENCES:
            attributes[name] = self._preferences(value)
        elif name == _TOPICS:
            attributes[name] = self._topics(value)
        else:
            attributes[name] = self._boolean(value, name)

    def _preferences(self, value: Any) -> Any:
        preferences = members_in(value)
        if preferences is None and type(text := plain(value)) is str and not is_blank(text):
            raise Rejection(
                "invalid", _PREFERENCES, f"{_PREFERENCES} must be an object, or an object as JSON text."
            )
        if preferences is None:
            return value
        if "topics" in preferences:
            return {**preferences, "topics": self._topics(preferences["topics"])}
        return preferences

    def _topics(self, value: Any) -> Any:
        topics = members_in(value)
        if topics is None:
            return value
        return {topic: self._boolean(choice, _TOPIC_PREFIX + topic) for topic, choice in topics.items()}

    def _boolean(self, value: Any, name: str) -> Any:
        found = _read(plain(value))
        if found is _UNCLEAR:
            self.unclear.add((name,))
            return value
        return found


def _read(value: Any) -> Any:
    """The boolean that a value is meant as; null stays."""
    match value:
        case None | bool():
            return value
        case str():
            return _WORDS.get(trimmed(value).lower(), _UNCLEAR)
        case int() | float() | Decimal() if value in (0, 1):
            return bool(value)
    return _UNCLEAR
