"""What comes in as a secret is declared as one, so that nothing that is kept holds it or a mark of it."""

from __future__ import annotations

import re

import msgspec

from rightlevel.web.app import all_routes
from rightlevel.web.request import secret_fields

NAMED = re.compile(r"password|passphrase|\bpin\b|\bold\b|\bnew\b|secret")


def test_every_input_that_is_called_like_a_secret_is_declared_as_one() -> None:
    seen = 0
    for endpoint in all_routes():
        for part in ("form", "body"):
            kind = endpoint.inputs.get(part)
            if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
                continue
            named = {each.encode_name for each in msgspec.structs.fields(kind) if NAMED.search(each.name)}
            seen += len(named)
            assert named <= secret_fields(endpoint), endpoint.name
    assert seen > 8
