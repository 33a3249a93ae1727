"""Asks any declared route the smallest thing that it takes, about the cast's own or about others' children."""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
from people import Cast

from flatwater.contract import Endpoint

NOBODY_UUID = "01890000-0000-7000-8000-000000000000"


def filled(kind: Any) -> Any:
    """The smallest value that a type takes."""
    return _filled(msgspec.inspect.type_info(kind))


def _filled(info: Any) -> Any:
    match type(info).__name__:
        case "StructType":
            return {field.encode_name: _filled(field.type) for field in info.fields if field.required}
        case "IntType" | "FloatType":
            return max(1, info.ge or 0)
        case "BoolType":
            return False
        case "DateType":
            return "2026-11-20"
        case "DateTimeType":
            return "2026-11-20T08:00:00Z"
        case "UUIDType":
            return NOBODY_UUID
        case "StrType":
            return NOBODY_UUID if info.pattern else "x"
        case "LiteralType":
            return info.values[0]
        case "EnumType":
            return next(iter(info.cls)).value
        case "ListType" | "VarTupleType":
            return [_filled(info.item_type)]
        case "UnionType":
            return _filled(next(each for each in info.types if type(each).__name__ != "NoneType"))
        case (
            "Metadata"
        ):  # what is noted of a type, such as that it is a secret, changes nothing of how it is filled
            return _filled(info.type)
        case "DictType" | "AnyType":
            return {}
        case other:
            raise AssertionError(f"this test does not know how to fill a {other}")


def path_of(endpoint: Endpoint, ids: dict[str, Any]) -> str:
    """The route's address for these ids; a parameter without an id gets one that nothing has."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        noun = endpoint.path[: match.start()].rstrip("/").rsplit("/", 1)[-1]
        known = ids.get(name) or ids.get(noun)
        if known is not None and not (noun in ("results", "sessions", "tokens", "imports") and name == "id"):
            return str(known)
        kinds = {field.encode_name: field.type for field in msgspec.structs.fields(endpoint.inputs["path"])}
        known = msgspec.inspect.type_info(kinds[name])
        if isinstance(known, msgspec.inspect.LiteralType):
            return str(known.values[0])
        return NOBODY_UUID if "int" not in str(kinds.get(name)) else "999999999"

    return re.sub(r"\{(\w+)\}", one, endpoint.path)


def query_of(endpoint: Endpoint, ids: dict[str, Any]) -> dict[str, str]:
    """Whatever the query must have, with the ids where it names them."""
    kind = endpoint.inputs.get("query")
    if kind is None:
        return {}
    query: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        known = ids.get(field.encode_name)
        if known is not None:
            query[field.encode_name] = str(known)
        elif field.required:
            query[field.encode_name] = str(_filled(msgspec.inspect.type_info(field.type)))
    return query


async def ask(
    client: httpx.AsyncClient, endpoint: Endpoint, ids: dict[str, Any], typed: dict[str, Any] | None = None
) -> httpx.Response:
    """`typed`: what is typed into a form's fields of these names, where it has them and could be opened without."""
    more: dict[str, Any] = {}
    if "body" in endpoint.inputs:
        more["json"] = with_ids(filled(endpoint.inputs["body"]), ids)
    if "form" in endpoint.inputs:
        given = endpoint.inputs["form"]
        more["data"] = (
            with_ids(filled(given), ids)
            if isinstance(given, type) and issubclass(given, msgspec.Struct)
            else {"x": "1"}
        )
        if isinstance(given, type) and issubclass(given, msgspec.Struct):
            names = {field.encode_name for field in msgspec.structs.fields(given)}
            more["data"] |= {name: value for name, value in (typed or {}).items() if name in names}
    if "upload" in endpoint.inputs:
        more["files"] = {"file": ("x.csv", b"a,b\n1,2\n", "text/csv")}
        more["data"] = {"kind": "students"}
    return await client.request(
        endpoint.method, path_of(endpoint, ids), params=query_of(endpoint, ids), **more
    )


def with_ids(body: Any, ids: dict[str, Any]) -> Any:
    if isinstance(body, dict):
        more = {"outcome": "absent"} if "student_id" in body and "outcome" in ids else {}
        return {name: ids.get(name, with_ids(value, ids)) for name, value in body.items()} | more
    if isinstance(body, list):
        return [with_ids(each, ids) for each in body]
    return body


NO_ROUND = 2**40
"""The cast has one round, so that there is none to compare it with."""


def own(cast: Cast) -> dict[str, Any]:
    return {
        "schools": cast.school_a,
        "school_id": cast.school_a,
        "students": cast.students_a[0],
        "student_id": cast.students_a[0],
        "round_id": cast.round,
        "later_round_id": NO_ROUND,
        "round": cast.round,
        "subject": "math",
    }


def other_school(cast: Cast) -> dict[str, Any]:
    return {
        "schools": cast.school_b,
        "school_id": cast.school_b,
        "students": cast.students_b[0],
        "student_id": cast.students_b[0],
        "round_id": cast.round,
        "later_round_id": NO_ROUND,
        "round": cast.round,
        "subject": "math",
    }
