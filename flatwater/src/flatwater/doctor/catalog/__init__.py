"""The doctor's questions to the server's catalog: every .sql file of this folder, in one set of names."""

from __future__ import annotations

from importlib.resources import files

from flatwater.queries import Queries, Query, QueryFileBroken, load_queries


def _every_file() -> Queries:
    found: dict[str, Query] = {}
    for resource in sorted(each.name for each in files(__package__).iterdir() if each.name.endswith(".sql")):
        for name, query in load_queries(__package__, resource).items():
            if name in found:
                raise QueryFileBroken(f"{__package__}/{resource}: {name} is in another file too")
            found[name] = query
    return Queries(__package__, found)


queries = _every_file()
