"""Signatures are those of the published examples. *Source*: AWS, "Signature Calculations for the Authorization Header", examples."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from rightlevel.programme.photos.signing import Keys, authorization, path_of

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
EMPTY = sha256(b"").hexdigest()
TEXT = sha256(b"Welcome to Amazon S3.").hexdigest()


@pytest.mark.parametrize(
    ("method", "name", "query", "headers", "payload", "signature"),
    [
        (
            "GET",
            "test.txt",
            {},
            {"range": "bytes=0-9"},
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "test$file.text",
            {},
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            TEXT,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "",
            {"lifecycle": ""},
            {},
            EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "",
            {"max-keys": "2", "prefix": "J"},
            {},
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_published_examples_are_signed_as_published(
    method: str, name: str, query: dict[str, str], headers: dict[str, str], payload: str, signature: str
) -> None:
    sent = {**HOST, **headers, "x-amz-content-sha256": payload}
    signed = authorization(KEYS, method, path_of("", name), query, sent, payload, NOW)
    assert signed.endswith(f"Signature={signature}")
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," in signed


def test_keys_are_never_shown() -> None:
    assert "wJalr" not in repr(KEYS)
