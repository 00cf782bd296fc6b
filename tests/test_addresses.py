"""Which addresses are closed, in every spelling, and how a base URL is written."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.addresses import host_address, is_forbidden, normalise_base_url, parse_networks, vet_host

PUBLIC = ("1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "198.20.0.1")
PUBLIC_IPV6 = ("2606:4700::1111", "2400:3200::1", "2a00:1450:4001::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8")
PRIVATE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
PRIVATE_IPV6 = (
    "::",
    "::1",
    "::2",
    "::ffff:0:7f00:1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "64:ff9b:1::1",
    "64:ff9b:1::808:808",
    "8000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)
LOOPBACK_SPELLINGS = (
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "127.0x0.0.01",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "１２７.０.０.１",
    "127。0。0。1",
    "①27.0.0.1",
)


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_IPV6)
def test_a_public_address_is_open(address: str) -> None:
    assert not is_forbidden(address)


@pytest.mark.parametrize("address", PRIVATE + PRIVATE_IPV6)
def test_a_private_or_reserved_address_is_forbidden(address: str) -> None:
    assert is_forbidden(address)


@pytest.mark.parametrize("inner", PRIVATE)
def test_an_ipv4_address_inside_an_ipv6_one_is_judged(inner: str) -> None:
    number = int(ip_address(inner))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    for dressed in (
        f"::ffff:{inner}",
        f"::{inner}",
        f"64:ff9b::{inner}",
        f"64:ff9b:1::{inner}",
        f"2002:{high}:{low}::1",
        f"2001:0:{high}:{low}::",
        f"2606:4700::5efe:{high}:{low}",
        f"2606:4700::200:5efe:{high}:{low}",
    ):
        assert is_forbidden(dressed), dressed


def test_an_open_tunnel_does_not_open_what_it_carries() -> None:
    tunnels = parse_networks(["2002::/16", "2001::/32", "::/96", "64:ff9b:1::/48", "64:ff9b::/96"])
    for dressed in (
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::127.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b::7f00:1",
    ):
        assert is_forbidden(dressed, tunnels), dressed
    assert not is_forbidden("2002:808:808::1", tunnels)


def test_an_open_ipv6_network_does_not_open_mapped_ipv4() -> None:
    everything = parse_networks(["::/0"])
    assert is_forbidden("::ffff:127.0.0.1", everything)
    assert not is_forbidden("::1", everything)


def test_allow_nets_open_exactly_what_they_say() -> None:
    nets = parse_networks(["10.1.0.0/16", " fd12::/16 ", "", "127.0.0.1"])
    assert not is_forbidden("10.1.2.3", nets)
    assert not is_forbidden("::ffff:10.1.2.3", nets)
    assert not is_forbidden("fd12::1", nets)
    assert not is_forbidden("127.0.0.1", nets)
    for closed in ("10.2.0.1", "::ffff:10.2.0.1", "fd13::1", "127.0.0.2", "::1", "::7f00:1"):
        assert is_forbidden(closed, nets), closed


@pytest.mark.parametrize("text", ["localhost", "", "127.1", "2130706433", "127.0.0.1/8", "1.2.3.4 "])
def test_what_cannot_be_read_as_an_address_is_forbidden(text: str) -> None:
    assert is_forbidden(text)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_judged_as_at_most_its_parts(address: object) -> None:
    text = str(address)
    if ip_address(text) not in ip_network("2000::/3") and not text.startswith(("64:ff9b::", "::ffff:")):
        assert is_forbidden(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "private", "10.0.0.0/8,fd00::/8", "::ffff:0:0/96"])
def test_a_network_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="network") as caught:
        parse_networks(["10.0.0.0/8", text])
    assert text in str(caught.value)


@pytest.mark.parametrize("spelling", LOOPBACK_SPELLINGS)
def test_no_spelling_of_loopback_is_a_base_url(spelling: str) -> None:
    url = normalise_base_url(f"http://{spelling}/v1")
    with pytest.raises(ValueError, match=r"^forbidden_address$"):
        vet_host(url)


@pytest.mark.parametrize(
    "host", ["1.2.3.4.5", "256.1.1.1", "1.2.3.256", "0x100000000", "09.1.1.1", "a.1", "1_0.1", "+1.1"]
)
def test_a_host_that_ends_in_a_number_is_an_address_or_nothing(host: str) -> None:
    with pytest.raises(ValueError, match=r"^bad_host$"):
        normalise_base_url(f"http://{host}")


@given(st.ip_addresses(v=4))
def test_decimal_hex_and_octal_are_read_as_the_same_address(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    first, rest = number >> 24, number & 0xFFFFFF
    for spelling in (
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"{first}.{rest}",
        f"{first:#x}.0{rest:o}",
    ):
        assert host_address(spelling) == address


@pytest.mark.parametrize("name", ["localhost", "api.example.com", "1.2.3.4.example", "0x7f.example.com", "x"])
def test_a_name_is_left_to_the_resolver(name: str) -> None:
    assert host_address(name) is None
    vet_host(f"http://{name}")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("  HTTPS://API.Example.COM:443/V1//  ", "https://api.example.com/V1"),
        ("http://api.example.com:80/", "http://api.example.com"),
        ("http://api.example.com.:8080/suno", "http://api.example.com:8080/suno"),
        ("https://例子.中国/音乐", "https://xn--fsqu00a.xn--fiqs8s/%E9%9F%B3%E4%B9%90"),
        ("https://ａｐｉ.example.com", "https://api.example.com"),
        ("https://bücher.example/%41", "https://xn--bcher-kva.example/%41"),
        ("http://0x08080808", "http://8.8.8.8"),
        ("http://[2606:4700:0:0::1111]:443", "http://[2606:4700::1111]:443"),
        ("https://under_score.example.com", "https://under_score.example.com"),
    ],
)
def test_a_base_url_has_one_spelling(text: str, url: str) -> None:
    assert normalise_base_url(text) == url
    assert normalise_base_url(url) == url


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_http"),
        ("api.example.com", "not_http"),
        ("ftp://example.com", "not_http"),
        ("file:///etc/passwd", "not_http"),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/x", "not_http"),
        ("javascript:alert(1)", "not_http"),
        ("https:/example.com", "not_http"),
        ("https://", "no_host"),
        ("https:///v1", "no_host"),
        ("https://:443/", "no_host"),
        ("https://key@example.com", "userinfo"),
        ("https://a:b@example.com", "userinfo"),
        ("https://@example.com", "userinfo"),
        ("https://example.com?key=1", "query"),
        ("https://example.com/?", "query"),
        ("https://example.com/#x", "query"),
        ("https://example.com:0", "bad_port"),
        ("https://example.com:65536", "bad_port"),
        ("https://example.com:x", "bad_port"),
        ("https://exa mple.com", "bad_characters"),
        ("https://example.com\\@127.0.0.1", "bad_characters"),
        ("https://example.com/\r\nHost: x", "bad_characters"),
        ("https://example.com/a/../b", "bad_characters"),
        ("https://example.com/%2e%2e/b", "bad_characters"),
        ("https://-example.com", "bad_host"),
        ("https://example..com", "bad_host"),
        ("https://127%2e0.0.1", "bad_host"),
        ("https://[fe80::1%25eth0]", "bad_host"),
        ("https://[::1", "bad_host"),
        ("https://[v1.x]", "bad_host"),
        ("https://a℀b.example", "bad_host"),
        ("https://" + "a" * 64 + ".example", "bad_host"),
    ],
)
def test_a_base_url_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(ValueError, match=f"^{code}$"):
        normalise_base_url(text)


CODES = {"bad_characters", "not_http", "userinfo", "query", "no_host", "bad_host", "bad_port"}


@given(st.text().map(lambda rest: f"https://{rest}") | st.text())
def test_whatever_is_typed_gives_a_base_url_or_a_code(text: str) -> None:
    try:
        url = normalise_base_url(text)
    except ValueError as error:
        assert str(error) in CODES  # noqa: PT017
    else:
        assert url.isascii()
        assert normalise_base_url(url) == url
