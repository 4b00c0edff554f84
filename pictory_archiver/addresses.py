"""URLs: how they may be written down, and who may be talked to.

An *address* is a URL without what opens it: signature parameters, user information and the fragment are gone,
every other byte is as it was. Only addresses are written down, in files, logs and messages alike.

Who may be talked to is decided twice: `Guard.check_url` before a connection, for the scheme and for hosts that
are IP addresses themselves (no resolver sees those), and `Guard.check_address` for what a name resolved to.
Hosts are read narrowly, so that no library behind us can read them in another way: ASCII names, IPv4 addresses
as four plain decimal numbers, IPv6 addresses in brackets. `127.1`, `0x7f.1`, `2130706433`, `0177.0.0.1`, full-width
digits and zone ids are refused, whatever they would mean.
"""

from __future__ import annotations

import functools
import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote_plus

from msgspec import Struct

from .errors import Forbidden
from .text import printable

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST_LENGTH = 253

_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WEB = re.compile(r"(https?)://([^/?#]*)", re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?))(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII | re.IGNORECASE,
)
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$", re.ASCII)
_USER_INFORMATION = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)[^/?#]*@", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(r"(?:^|[&;])[^&;]*")  # with the separator before it
_PARAMETER_NAME = re.compile(r"(?:^|[&;])([^&;=]*)")
_SCHEME_AND_HOST = re.compile(r"^[a-z][a-z0-9+.-]*://[^/?#]*", re.ASCII | re.IGNORECASE)

_SIGNATURE_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "q-sign-")
_SIGNATURE_NAMES = frozenset(
    (
        *("awsaccesskeyid", "signature", "key-pair-id", "policy", "expires"),  # S3, CloudFront
        *("googleaccessid", "ossaccesskeyid", "security-token"),  # Google, Alibaba
        *("q-signature", "q-ak", "q-key-time", "q-header-list", "q-url-param-list"),  # Tencent
        *("sig", "hdnea", "hdnts", "hdntl", "__token__", "verify", "token_path"),  # Azure, Akamai, Cloudflare, Bunny
        *("token", "access_token", "accesstoken", "id_token", "refresh_token", "session_token", "jwt", "hmac"),
        *("auth", "auth_token", "auth_key", "authorization", "password", "secret", "client_secret"),
        *("api_key", "api-key", "apikey", "x-api-key"),
    )
)
_SIGNATURE_COMPANIONS = {
    # These short names belong to a signature only beside the parameter that carries it: Azure, Discord.
    "sig": frozenset(
        (
            *("se", "sp", "sv", "sr", "st", "spr", "sip", "ss", "srt", "si", "ses", "sdd", "scid"),
            *("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid"),
        )
    ),
    "hm": frozenset(("hm", "ex", "is")),
}

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class Guard(Struct, frozen=True):
    """Admits public addresses over HTTPS, and the origins of `allowed_origins`, written as `origin` writes them."""

    allowed_origins: frozenset[str] = frozenset()

    def check_url(self, url: str) -> None:
        """Raise `Forbidden` unless this URL may be requested, as far as it can be told before its name is resolved."""
        scheme, host, port = _parts(url)
        if _origin(scheme, host, port) in self.allowed_origins:
            return
        if scheme != "https":
            raise _forbidden(url, "not HTTPS")
        name = host.removesuffix(".")
        if name == "localhost" or name.endswith(".localhost"):
            raise _forbidden(url, "this computer's own address")
        address = _literal(name)
        if address is not None and not is_public(address):
            raise _forbidden(url, "not a public address")

    def check_address(self, host: str, port: int, ip_text: str) -> None:
        """Raise `Forbidden` unless `ip_text`, to which `host` resolved, is public or `host` and `port` are allowed."""
        if any(_origin(scheme, host.lower(), port) in self.allowed_origins for scheme in DEFAULT_PORTS):
            return
        try:
            public = is_public(ip_address(ip_text.partition("%")[0]))
        except ValueError:
            public = False
        if not public:
            raise Forbidden(f"{printable(host)} leads to {printable(ip_text)}, which is not a public address")


def origin(url: str) -> str:
    """`https://host:port` in lower case, without a default port. Raises `Forbidden` where there is no clear one."""
    return _origin(*_parts(url))


def masked(url: str) -> str:
    """`https://host/…`: all that may be shown of a URL whose path is a secret, such as that of a ping."""
    try:
        return f"{origin(url)}/…"
    except Forbidden:
        return "…"


def strip_signature(url: str) -> str:
    """The address of `url`. Works on any text."""
    if "#" in url:
        url = url.partition("#")[0]
    if "@" in url:
        url = _USER_INFORMATION.sub(r"\1", url)
    base, mark, query = url.partition("?")
    if not mark:
        return url
    signing = _signing(query)
    if not any(signing):
        return url
    parameters = _PARAMETER.findall(query)
    kept = "".join(text for text, signs in zip(parameters, signing, strict=True) if not signs)
    return f"{base}?{kept.lstrip('&;')}" if kept else base


def is_signed(url: str) -> bool:
    """True where the URL opens only for as long as its signature lasts."""
    return "?" in url and any(_signing(url.partition("#")[0].partition("?")[2]))


def locator(url: str) -> str:
    """What tells a file from others, whatever host serves it: path and parameters of the address."""
    return _SCHEME_AND_HOST.sub("", strip_signature(url))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True for a unicast address of the open internet; one that carries an IPv4 address is judged by that, too."""
    if isinstance(address, IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    if address.teredo is not None:
        return all(is_public(end) for end in address.teredo)
    return address in _GLOBAL_UNICAST and address.is_global


@functools.lru_cache(maxsize=256)
def _parts(url: str) -> tuple[str, str, int]:
    """Scheme, host (lower case) and port of a web URL. The same one is asked for more than once on its way."""
    if _UNUSABLE.search(url):
        raise _forbidden(url, "control characters in it")
    web = _WEB.match(url)
    if web is None:
        raise _forbidden(url, "not a web address")
    scheme, authority = web[1].lower(), web[2]
    if "@" in authority:
        raise _forbidden(url, "a user name or password in it")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise _forbidden(url, "no usable host in it")
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise _forbidden(url, "no such port")
    try:
        host = str(IPv6Address(found["ipv6"])) if found["ipv6"] else found["name"].lower()
        _literal(host.removesuffix("."))
    except ValueError:
        raise _forbidden(url, "an IP address in an unusual spelling") from None
    if len(host) > MAX_HOST_LENGTH:
        raise _forbidden(url, "its host name is too long")
    return scheme, host, port


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that `host` is; None for a name. Raises ValueError where a resolver might take it for one."""
    if ":" in host:
        return IPv6Address(host)
    return IPv4Address(host) if _ENDS_IN_NUMBER.search(host) else None


def _origin(scheme: str, host: str, port: int) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _signing(query: str) -> list[bool]:
    """For each parameter of a query: does it belong to a signature?"""
    names = _PARAMETER_NAME.findall(query.lower())
    if "%" in query or "+" in query:
        names = [unquote_plus(name).strip().lower() for name in names]
    signing = [name in _SIGNATURE_NAMES or name.startswith(_SIGNATURE_PREFIXES) for name in names]
    for carrier, companions in _SIGNATURE_COMPANIONS.items():
        if carrier in names:
            signing = [known or name in companions for known, name in zip(signing, names, strict=True)]
    return signing


def _forbidden(url: str, problem: str) -> Forbidden:
    return Forbidden(f"{printable(strip_signature(url))} is refused: {problem}")
