from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pictory_archiver.addresses import Guard, is_public, is_signed, locator, origin, strip_signature
from pictory_archiver.errors import Forbidden

ANY_TEXT = st.text(st.characters(exclude_categories=()))
URL_TEXT = st.text("htps:/?#@&;=.[]%x1aSsig+- ", max_size=40).map(lambda rest: f"https://{rest}")
GUARD = Guard()

PRIVATE_IPV4 = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"]
PRIVATE_IPV4 += ["192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"]
PRIVATE_IPV6 = ["::", "::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1"]
IPV4_IN_IPV6 = [
    "::ffff:{}",
    "64:ff9b::{}",
    "::{}",
    "2002:{hex}::1",
    "2001:0:{hex}::",
]


def inside_ipv6(pattern: str, ipv4: str) -> str:
    packed = ipaddress.IPv4Address(ipv4).packed.hex()
    return pattern.format(ipv4, hex=f"{packed[:4]}:{packed[4:]}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.pictory.ai/pictoryapis?a=b", "https://api.pictory.ai"),
        ("HTTPS://API.Pictory.AI:443", "https://api.pictory.ai"),
        ("http://localhost:80/", "http://localhost"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080"),
        ("https://[2606:4700:0:0::1111]:443/", "https://[2606:4700::1111]"),
        ("https://host:/", "https://host"),
        ("https://host#@evil.example/", "https://host"),
    ],
)
def test_origin_is_normalised(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.pictory.ai",
        "//api.pictory.ai/",
        "ftp://host/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:/host",
        "https://",
        "https:///path",
        "https://user@host/",
        "https://user:password@host/",
        "https://@host/",
        "https://good.example\\@evil.example/",
        "https://good.example\\.evil.example/",
        "https://ho st/",
        " https://host/",
        "https://host/\n",
        "https://host/a\x00b",
        "https://host/\ud800",
        "https://host:99999/",
        "https://host:0/",
        "https://host:8o/",
        "https://host..example/",
        "https://.host/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://127%2e0.0.1/",
        "https://１２７.0.0.1/",
        "https://bücher.example/",
        "httpſ://host/",
        "https://" + "a." * 150 + "example/",
    ],
)
def test_no_origin_where_it_is_not_clear(url: str) -> None:
    with pytest.raises(Forbidden):
        origin(url)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://cdn/a.mp4", "https://cdn/a.mp4"),
        ("https://cdn/a.mp4?", "https://cdn/a.mp4?"),
        ("https://cdn/a.mp4?Expires=1&Signature=x~y&Key-Pair-Id=K", "https://cdn/a.mp4"),
        ("https://cdn/a?v=%7e1&X-Amz-Signature=s&w=+&X-AMZ-Date=2&b", "https://cdn/a?v=%7e1&w=+&b"),
        ("https://cdn/a?X-Goog-Signature=s&size=2", "https://cdn/a?size=2"),
        ("https://cdn/a?Policy=p&token=t;access_token=u&a=1;b=2", "https://cdn/a?a=1;b=2"),
        ("https://cdn/a?a=1&&b=2&", "https://cdn/a?a=1&&b=2&"),
        ("https://cdn/a?%53ignature=x&k=v", "https://cdn/a?k=v"),
        ("https://az/a?sv=1&se=2&sp=r&sig=x&k=v", "https://az/a?k=v"),
        ("https://az/a?sv=1&se=2&sp=r", "https://az/a?sv=1&se=2&sp=r"),
        ("https://cdn/a?hdnts=exp=1~hmac=2&x=1", "https://cdn/a?x=1"),
        ("https://discord/a?ex=1&is=2&hm=3&width=4", "https://discord/a?width=4"),
        ("https://user:secret@cdn/a#fragment", "https://cdn/a"),
        ("https://a@b@cdn/x@y", "https://cdn/x@y"),
        ("//user@cdn/a", "//cdn/a"),
        ("a/relative?token=t#x", "a/relative"),
        (
            "https://cdn/a?response-content-disposition=attachment",
            "https://cdn/a?response-content-disposition=attachment",
        ),
        ("", ""),
    ],
)
def test_only_what_opens_a_url_is_removed(url: str, address: str) -> None:
    assert strip_signature(url) == address


def test_is_signed() -> None:
    assert is_signed("https://cdn/a?x=1&X-Amz-Signature=s")
    assert not is_signed("https://cdn/Signature=1?x=1#token=2")


def test_locator_ignores_host_and_signature() -> None:
    one, other = "https://a.example/x/y.mp4?v=1&Signature=s", "http://b.example:8080/x/y.mp4?v=1"
    assert locator(one) == locator(other) == "/x/y.mp4?v=1"
    assert locator(one) != locator("https://a.example/x/y.mp4?v=2")
    assert locator("not a url") == "not a url"


@given(st.one_of(ANY_TEXT, URL_TEXT))
@example("https://a@//b@c?&;Signature=1#?token=")
def test_addresses_of_any_text_are_stable_and_unsigned(text: str) -> None:
    address = strip_signature(text)
    assert strip_signature(address) == address
    assert not is_signed(address)
    assert "#" not in address
    locator(text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "v", "size", "Signature", "X-Amz-Date", "sig", "se"]), st.text("xy%=", max_size=3)
        )
    )
)
def test_other_parameters_stay_in_order(parameters: list[tuple[str, str]]) -> None:
    signing = {"Signature", "X-Amz-Date", "sig"} | ({"se"} if "sig" in dict(parameters) else set())
    query = "&".join(f"{name}={value}" for name, value in parameters)
    kept = "&".join(f"{name}={value}" for name, value in parameters if name not in signing)
    assert strip_signature(f"https://h/p?{query}").removeprefix("https://h/p").lstrip("?") == kept


@pytest.mark.parametrize(
    "url", ["https://cdn.example/a", "https://8.8.8.8/a", "https://[2606:4700::1111]/", "https://1.example/"]
)
def test_public_addresses_are_admitted(url: str) -> None:
    GUARD.check_url(url)


@pytest.mark.parametrize("host", [*PRIVATE_IPV4, *(f"[{ip}]" for ip in PRIVATE_IPV6)])
def test_private_literals_are_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        GUARD.check_url(f"https://{host}/a")
    with pytest.raises(Forbidden):
        GUARD.check_address("cdn.example", 443, host.strip("[]"))


@pytest.mark.parametrize("ipv4", PRIVATE_IPV4)
@pytest.mark.parametrize("pattern", IPV4_IN_IPV6)
def test_private_ipv4_inside_ipv6_is_refused(pattern: str, ipv4: str) -> None:
    address = inside_ipv6(pattern, ipv4)
    with pytest.raises(Forbidden):
        GUARD.check_address("cdn.example", 443, address)
    with pytest.raises(Forbidden):
        GUARD.check_url(f"https://[{address}]/")


@pytest.mark.parametrize("pattern", ["::ffff:{}", "64:ff9b::{}", "2002:{hex}::1"])
def test_public_ipv4_inside_ipv6_is_admitted(pattern: str) -> None:
    GUARD.check_address("cdn.example", 443, inside_ipv6(pattern, "8.8.8.8"))


@pytest.mark.parametrize("ip", ["fe80::1%eth0", "fec0::1%1", "fd00::1%2", "::1%lo", "", "garbage", "127.1"])
def test_odd_answers_of_a_resolver_are_refused(ip: str) -> None:
    with pytest.raises(Forbidden):
        GUARD.check_address("cdn.example", 443, ip)


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "2130706433", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1."),
        *("010.8.8.8", "0", "1.2.3", "1.2.3.4.5", "999.1.1.1", "08.8.8.8", "127.0x1", "0x"),
        *("localhost", "LOCALHOST", "localhost.", "www.localhost"),
    ],
)
def test_odd_spellings_of_an_address_are_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        GUARD.check_url(f"https://{host}/a")


NUMBERS = st.integers(0, 300) | st.sampled_from([127, 10, 2130706433, 0x7F0001, 2**32])
SPELLINGS = st.tuples(NUMBERS, st.sampled_from(["{}", "0x{:x}", "0X{:X}", "0{:o}", "00{}"])).map(
    lambda x: x[1].format(x[0])
)


@given(st.lists(SPELLINGS, min_size=1, max_size=5), st.sampled_from(["", "."]))
def test_whatever_a_resolver_reads_as_an_address_is_judged_as_one(numbers: list[str], end: str) -> None:
    host = ".".join(numbers)
    try:
        GUARD.check_url(f"https://{host}{end}/")
    except Forbidden:
        return
    assert is_public(ipaddress.IPv4Address(socket.inet_aton(host)))


def test_only_https_unless_the_exact_origin_is_allowed() -> None:
    guard = Guard(frozenset(("http://127.0.0.1:8080", "http://localhost:9000")))
    guard.check_url("http://127.0.0.1:8080/x")
    guard.check_address("127.0.0.1", 8080, "127.0.0.1")
    guard.check_url("http://LOCALHOST:9000/x")
    guard.check_address("localhost", 9000, "::1")
    for url in ("http://cdn.example/", "http://127.0.0.1:8081/", "https://127.0.0.1:8080/", "http://127.0.0.1/"):
        with pytest.raises(Forbidden):
            guard.check_url(url)
    for host, port in (("localhost", 9001), ("evil.example", 9000)):
        with pytest.raises(Forbidden):
            guard.check_address(host, port, "127.0.0.1")


def test_messages_are_one_line_and_hold_no_secret() -> None:
    for url in ("http://u:hunter2@cdn/\x1b\n?Signature=hunter2", "http://cdn/?X-Amz-Signature=hunter2#hunter2"):
        with pytest.raises(Forbidden) as caught:
            GUARD.check_url(url)
        message = str(caught.value)
        assert message.isprintable()
        assert "hunter2" not in message


@given(st.one_of(ANY_TEXT, URL_TEXT))
def test_any_text_is_admitted_or_forbidden(text: str) -> None:
    try:
        GUARD.check_url(text)
    except Forbidden:
        return
    assert origin(text).startswith("https://")
