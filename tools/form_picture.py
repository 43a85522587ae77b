"""Draws the form that the configuration is entered in, from `spec` alone, as SVG.

What is drawn is what the spec says: the fields in their order with titles, descriptions and defaults, the required ones
first and marked, the others below "Optional fields", choices with the one that is chosen, hidden fields not at all.
Airbyte draws its form from the same spec by rules of its own; each picture says so.
"""

from __future__ import annotations

import textwrap
from typing import Any
from xml.sax.saxutils import escape

from destination_customerio.config.spec import connection_specification

Field = dict[str, Any]

_WIDTH = 760
_MARGIN = 28
_INDENT = 18
_BOX_HEIGHT = 32
# Of an average letter, in font sizes; on the safe side for the fonts below, as nothing but this wraps a line.
_LETTER_WIDTH = 0.48
_FONTS = "'Segoe UI', Helvetica, Arial, 'Liberation Sans', sans-serif"
_INK, _SOFT, _FAINT, _LINE, _ALERT, _BLUE = "#1f2328", "#59636e", "#8c959f", "#d1d9e0", "#cf222e", "#3b5bdb"
_CAPTION = "Drawn from the connector's spec. Airbyte's own form looks alike, not the same."


def whole_form() -> str:
    """All that the form shows when it opens, with its optional fields unfolded."""
    drawing = _Drawing("Customer.io")
    drawing.fields(connection_specification(), 0)
    return drawing.svg()


def rejected_rows_in_s3() -> str:
    """The part about rejected rows, once S3 is chosen."""
    drawing = _Drawing("Customer.io: rejected rows, with S3 chosen")
    name = "object_storage_config"
    drawing.choice(
        connection_specification()["properties"][name], 0, is_required=False, chosen={"storage_type": "S3"}
    )
    return drawing.svg()


class _Drawing:
    """One picture, drawn from the top down."""

    def __init__(self, heading: str) -> None:
        self._heading = heading
        self._parts: list[str] = []
        self._y = float(_MARGIN)
        self._text(heading, _MARGIN, size=18, weight=600)
        self._y += 4
        self._text(_CAPTION, _MARGIN, size=12, color=_FAINT)
        self._y += 18

    def svg(self) -> str:
        """The picture; to be called last."""
        height = round(self._y + _MARGIN - 14)
        size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        card = f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="10" fill="#ffffff" stroke="{_LINE}"/>'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{_FONTS}">',
                f"<title>{escape(self._heading)}. {escape(_CAPTION)}</title>",
                card,
                *self._parts,
                "</svg>\n",
            ]
        )

    def fields(self, node: Field, depth: int) -> None:
        """The fields of an object: first the required ones, then the others below a heading of their own."""
        shown = [
            (name, field)
            for name, field in sorted(node["properties"].items(), key=lambda item: item[1]["order"])
            # The key that tells the options of a choice apart is the choice itself.
            if "const" not in field and not field.get("airbyte_hidden")
        ]
        required = [field for name, field in shown if name in node.get("required", [])]
        optional = [field for name, field in shown if name not in node.get("required", [])]
        for field in required:
            self._field(field, depth, is_required=True)
        if optional and depth == 0:
            self._divider("Optional fields")
        for field in optional:
            self._field(field, depth, is_required=False)

    def choice(self, field: Field, depth: int, *, is_required: bool, chosen: Field) -> None:
        """A field with options: the one whose constants are those of `chosen`, and its own fields."""
        (option,) = (
            option
            for option in field["oneOf"]
            if all(chosen.get(key) == f["const"] for key, f in option["properties"].items() if "const" in f)
        )
        self._label(field, depth, is_required=is_required)
        self._box(option["title"], depth, mark="▾")
        self._group(option, depth)

    def _field(self, field: Field, depth: int, *, is_required: bool) -> None:
        if "oneOf" in field:
            self.choice(field, depth, is_required=is_required, chosen=field["default"])
            return
        self._label(field, depth, is_required=is_required)
        if "properties" in field:
            self._group(field, depth)
        elif field["type"] == "boolean":
            self._switch(depth, is_on=field["default"])
        elif field["type"] == "array":
            self._button("Add", depth)
        elif field.get("airbyte_secret"):
            self._box("kept secret", depth, color=_FAINT)
        elif field.get("default"):
            self._box(str(field["default"]), depth, mark="▾" if "enum" in field else "")
        else:
            self._box(f"for example {field['examples'][0]}", depth, color=_FAINT)

    def _group(self, node: Field, depth: int) -> None:
        top = self._y
        self.fields(node, depth + 1)
        if self._y > top:
            x = _left(depth) + 4
            self._parts.append(
                f'<path d="M{x} {top:g}V{self._y - 16:g}" stroke="{_LINE}" stroke-width="2" stroke-linecap="round"/>'
            )

    def _label(self, field: Field, depth: int, *, is_required: bool) -> None:
        self._text(field["title"], _left(depth), size=14, weight=600, mark="*" if is_required else "")
        self._y += 2
        letters = int((_WIDTH - _MARGIN - _left(depth)) / (12.5 * _LETTER_WIDTH))
        for line in textwrap.wrap(field["description"], letters):
            self._text(line, _left(depth), size=12.5, color=_SOFT)
        self._y += 6

    def _box(self, text: str, depth: int, *, color: str = _INK, mark: str = "") -> None:
        x, width = _left(depth), _WIDTH - _MARGIN - _left(depth)
        self._frame(x, width)
        middle = self._y + _BOX_HEIGHT / 2 + 4.5
        self._parts.append(
            f'<text x="{x + 12}" y="{middle:g}" font-size="13" fill="{color}">{escape(text)}</text>'
        )
        if mark:
            self._parts.append(
                f'<text x="{x + width - 24}" y="{middle:g}" font-size="13" fill="{_SOFT}">{mark}</text>'
            )
        self._y += _BOX_HEIGHT + 18

    def _button(self, text: str, depth: int) -> None:
        width = 64
        self._frame(_left(depth), width)
        self._parts.append(
            f'<text x="{_left(depth) + width / 2:g}" y="{self._y + _BOX_HEIGHT / 2 + 4.5:g}" font-size="13" '
            f'font-weight="600" text-anchor="middle" fill="{_BLUE}">{escape(text)}</text>'
        )
        self._y += _BOX_HEIGHT + 18

    def _switch(self, depth: int, *, is_on: bool) -> None:
        x, knob = _left(depth), _left(depth) + (26 if is_on else 10)
        self._parts.append(
            f'<rect x="{x}" y="{self._y:g}" width="36" height="20" rx="10" fill="{_BLUE if is_on else _LINE}"/>'
            f'<circle cx="{knob}" cy="{self._y + 10:g}" r="7.5" fill="#ffffff"/>'
        )
        self._y += 20 + 18

    def _divider(self, text: str) -> None:
        self._parts.append(f'<path d="M{_MARGIN} {self._y:g}H{_WIDTH - _MARGIN}" stroke="{_LINE}"/>')
        self._y += 16
        self._text(f"▾ {text}", _MARGIN, size=14, weight=600, color=_BLUE)
        self._y += 14

    def _frame(self, x: int, width: int) -> None:
        self._parts.append(
            f'<rect x="{x}" y="{self._y:g}" width="{width}" height="{_BOX_HEIGHT}" rx="6" fill="#f6f8fa" stroke="{_LINE}"/>'
        )

    def _text(
        self, text: str, x: int, *, size: float, color: str = _INK, weight: int = 400, mark: str = ""
    ) -> None:
        """One line below the last."""
        self._y += size
        marked = f'<tspan dx="4" fill="{_ALERT}">{mark}</tspan>' if mark else ""
        self._parts.append(
            f'<text x="{x}" y="{self._y:g}" font-size="{size:g}" font-weight="{weight}" fill="{color}">'
            f"{escape(text)}{marked}</text>"
        )
        self._y += round(size * 0.4, 1)


def _left(depth: int) -> int:
    return _MARGIN + depth * _INDENT
