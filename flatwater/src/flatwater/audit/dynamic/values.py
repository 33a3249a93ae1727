"""Values that a schema allows and values that it forbids, as a query, a path or a body carries them."""

from __future__ import annotations

import json
from typing import Any, Final, cast
from urllib.parse import urlencode

from flatwater.audit.dynamic.document import Schema

BOUNDARY: Final = "flatwater-audit"


def object_of(value: Any) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


def value_of(schema: Schema, number: int, seed: int, depth: int = 0) -> Any:
    """A value that the schema allows; what its author gave as an example comes first, free text is new for each number."""
    for told in ("const", "example", "default"):
        if schema.get(told) is not None:
            return schema[told]
    if examples := schema.get("examples"):
        return examples[number % len(examples)]
    if choices := schema.get("enum"):
        return choices[number % len(choices)]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        required = schema.get("required", ())
        return {
            name: value_of(part, number, seed, depth + 1)
            for name, part in schema.get("properties", {}).items()
            if name in required or (number % 2 == 0 and depth < 3)
        }
    if kind == "array":
        return [
            value_of(schema.get("items", {}), number + each, seed, depth + 1)
            for each in range(max(1, min(schema.get("minItems", 1), 50)))
        ]
    return _text(schema, number + seed * 1_000_000) if kind == "string" else _number(schema, number)


def _number(schema: Schema, number: int) -> Any:
    if schema["type"] == "boolean":
        return number % 2 == 0
    if schema["type"] == "null":
        return None
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    high = schema.get("maximum", low + 4)
    return low + number % (int(min(high - low, 4)) + 1) if high > low else low


def _text(schema: Schema, number: int) -> str:
    shapes = {
        "uuid": f"00000000-0000-7000-8000-{number:012d}",
        "date": f"2026-{number % 12 + 1:02d}-15",
        "date-time": f"2026-{number % 12 + 1:02d}-15T08:00:00Z",
        "time": "08:00:00",
        "email": f"person{number}@example.org",
        "uri": f"https://example.org/{number}",
        "ipv4": "192.0.2.1",
        "binary": f"file {number}",
    }
    text = shapes.get(schema.get("format", ""), f"w{number}")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 10_000)]


def wrong_values(schema: Schema) -> tuple[str, ...]:
    """Values that no parameter of this schema may have. An empty one is no value, so it is not asked."""
    kind = schema.get("type", "string")
    if kind in ("integer", "number"):
        return ("not-a-number", str(10**30), "-1" if schema.get("minimum", -1) >= 0 else "1e999", "\0")
    if kind == "boolean":
        return ("maybe", "\0")
    if "format" in schema or "enum" in schema:
        return ("junk", "\0")
    return ("\0", "x" * 10_000)


def encoded(media_type: str, value: Any, schema: Schema) -> bytes:
    if media_type == "application/x-www-form-urlencoded":
        return urlencode(object_of(value)).encode()
    if media_type.startswith("multipart/"):
        return _multipart(object_of(value), schema)
    return json.dumps(value).encode() if "json" in media_type else str(value).encode()


def _multipart(values: Schema, schema: Schema) -> bytes:
    parts: list[str] = []
    for name, value in values.items():
        part = schema.get("properties", {}).get(name, {})
        is_file = part.get("format") == "binary" or "contentMediaType" in part
        file = '; filename="audit.csv"\r\ncontent-type: text/csv' if is_file else ""
        parts.append(
            f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n'
        )
    return ("".join(parts) + f"--{BOUNDARY}--\r\n").encode()
