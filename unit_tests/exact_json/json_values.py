"""Strategies for JSON values, and for the many ways to write them as text."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
broken_text = st.text(
    st.characters(), max_size=20
)  # may contain lone surrogates, as Python's parser accepts them
integers = st.integers() | st.integers(-(10**40), 10**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | text


def nested(leaves: st.SearchStrategy[Any], names: st.SearchStrategy[str] = text) -> st.SearchStrategy[Any]:
    """Values made of these leaves, nested in arrays and objects."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


values = nested(scalars)
objects = st.dictionaries(text, values, max_size=6)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """One way to write a value: with or without spaces and escapes."""
    indent = draw(st.sampled_from([None, 0, 2]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r : ")]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)


def same(left: Any, right: Any) -> bool:
    """Whether two parsed values are equal and of the same type, including the order of keys; floats equal decimals."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float | Decimal) and isinstance(right, float | Decimal):
        return math.copysign(1, left) == math.copysign(1, right) and float(left) == float(right)
    return type(left) is type(right) and bool(left == right)
