"""Reads an XLSForm workbook (.xlsx or .xls) by pyxform, in a process of its own: a path comes in, the sheets go out as JSON.

Nothing of the platform is loaded here, and what pyxform takes of memory goes with the process. Bounds: arguments 2 and 3, memory
in bytes and time on the processor in seconds.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import warnings
from typing import Any

MOST_ROWS = 6_000
MOST_COLUMNS = 200
LONGEST_CELL = 20_000


def main() -> None:
    """Writes one line of JSON: the sheets, what pyxform says against the form, or why it can't be read."""
    path, memory_bytes, cpu_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    warnings.simplefilter("ignore")
    # Loaded only within the bounds.
    wrong: Any = importlib.import_module("pyxform.errors")
    survey: Any = importlib.import_module("pyxform.xls2json")
    backends: Any = importlib.import_module("pyxform.xls2json_backends")

    try:
        found = backends.get_xlsform(path)
    except Exception as error:  # noqa: BLE001  whatever is wrong with the workbook, it is said and the process ends
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}))  # noqa: T201
        return
    told: dict[str, Any] = {
        name: _sheet(getattr(found, name), getattr(found, f"{name}_header"))
        for name in ("survey", "choices", "settings", "external_choices")
    }
    told["says"] = ""
    try:
        survey.workbook_to_json(found, warnings=[], fallback_form_name="form")
    except wrong.PyXFormError as error:
        told["says"] = " ".join(str(error).split())[:500]
    except Exception as error:  # noqa: BLE001  its own trouble is no fault of the form
        told["says"] = f"{type(error).__name__}: {error}"[:500]
    print(json.dumps(told))  # noqa: T201


def _sheet(given: list[dict[str, Any]] | None, header: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Headers, and each row that holds anything by the workbook's own number."""
    rows = given or []
    headers = list(dict.fromkeys(key for row in [*(header or []), *rows] for key in row))[:MOST_COLUMNS]
    lines = [
        [number, [_text(row.get(each)) for each in headers]]
        for number, row in enumerate(rows[:MOST_ROWS], 2)
        if any(value not in (None, "") for value in row.values())
    ]
    return {"headers": headers, "rows": lines}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:LONGEST_CELL]


if __name__ == "__main__":
    main()
