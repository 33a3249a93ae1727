"""The doctor's questions to the server's catalog: every .sql file of this folder, in one set of names."""

from __future__ import annotations

from importlib.resources import files

from flatwater.queries import Queries, Query, QueryFileBroken, load_queries

_PACKAGE = __name__


def _every_file() -> Queries:
    found: dict[str, Query] = {}
    for resource in sorted(each.name for each in files(_PACKAGE).iterdir() if each.name.endswith(".sql")):
        for name, query in load_queries(_PACKAGE, resource).items():
            if name in found:
                raise QueryFileBroken(f"{_PACKAGE}/{resource}: {name} is in another file too")
            found[name] = query
    return Queries(_PACKAGE, found)


queries = _every_file()
