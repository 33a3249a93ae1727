"""What a trusted proxy says is believed, what anybody else says is not."""

import pytest

from flatwater.forwarded import TrustedProxies, network_of

PROXIES = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


def origin(peer: str, *headers: tuple[str, str], scheme: str = "http") -> tuple[str, bool]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    found = PROXIES.origin(peer, raw, scheme=scheme)
    return found.address, found.is_https


@pytest.mark.parametrize(
    "header",
    [
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("forwarded", "for=203.0.113.9;proto=https"),
    ],
)
def test_nobody_is_believed_who_was_not_named(header: tuple[str, str]) -> None:
    assert origin("198.51.100.7", header) == ("198.51.100.7", False)
    assert TrustedProxies().origin("127.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")]).address == "127.0.0.1"


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('For="192.0.2.43:47011"', "192.0.2.43"),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
        ("for=192.0.2.43, for=10.1.2.3", "192.0.2.43"),
        ('for=192.0.2.43, for="a, for=1.1.1.1"', "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("for=192.0.2.1, for=_hidden, for=10.9.9.9", "10.9.9.9"),
        ("", "10.0.0.1"),
        (";;;===,,,", "10.0.0.1"),
    ],
)
def test_a_forwarded_header_is_read_as_rfc_7239_says(value: str, address: str) -> None:
    assert origin("10.0.0.1", ("forwarded", value))[0] == address


def test_what_the_client_wrote_itself_before_the_proxy_added_its_part_is_not_believed() -> None:
    written = ("x-forwarded-for", "127.0.0.1, 203.0.113.9, 198.51.100.7")
    assert origin("10.0.0.1", written) == ("198.51.100.7", False)
    split = (("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "198.51.100.7"))
    assert origin("10.0.0.1", *split) == ("198.51.100.7", False)


def test_the_standard_header_wins_and_tells_the_scheme_too() -> None:
    both = (("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2;proto=https"))
    assert origin("127.0.0.1", *both) == ("192.0.2.2", True)
    assert origin("10.0.0.1", ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")) == (
        "192.0.2.1",
        True,
    )
    assert origin("10.0.0.1", ("x-forwarded-proto", "https")) == ("10.0.0.1", True)
    assert origin("198.51.100.7", ("x-forwarded-proto", "https")) == ("198.51.100.7", False)
    assert origin("198.51.100.7", scheme="https") == ("198.51.100.7", True)


def test_attempts_of_one_ipv6_network_are_counted_together() -> None:
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("local") == "local"


def test_a_setting_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="not-a-network"):
        TrustedProxies(["not-a-network"])
