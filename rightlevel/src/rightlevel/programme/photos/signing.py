"""Signatures of requests to S3-compatible stores. *Source*: AWS Signature Version 4, "Authenticating Requests: Using the Authorization Header"."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(msgspec.Struct, frozen=True):
    """Who asks the store. Never shown."""

    key_id: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return "Keys(...)"


def path_of(bucket: str, name: str) -> str:
    """An object's path as it is sent and signed."""
    return "/" + "/".join(
        quote(part, safe="-_.~") for part in [*([bucket] if bucket else []), *name.split("/")]
    )


def authorization(
    keys: Keys,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    payload_sha256: str,
    now: datetime,
) -> str:
    """The Authorization header of a request that sends exactly these headers. `now` is the request's x-amz-date, in UTC."""
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(sent))
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(
                f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                for name, value in sorted(query.items())
            ),
            *(f"{name}:{sent[name]}" for name in sorted(sent)),
            "",
            names,
            payload_sha256,
        ]
    )
    scope = f"{now:%Y%m%d}/{keys.region}/s3/aws4_request"
    to_sign = "\n".join([ALGORITHM, f"{now:%Y%m%dT%H%M%SZ}", scope, sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in (f"{now:%Y%m%d}", keys.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    signature = hmac.new(key, to_sign.encode(), sha256).hexdigest()
    return f"{ALGORITHM} Credential={keys.key_id}/{scope},SignedHeaders={names},Signature={signature}"
