"""Addresses in the configuration: of providers, of the server, of browsers' pages."""

import ipaddress
import re
from urllib.parse import urlsplit

from ..wire.converter import ALLOWED, CHECK, shown
from . import checks

__all__ = ["base_url", "fault_of_origin", "is_loopback", "listen_address", "split_listen"]

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+")


def base_url() -> checks.Metadata:
    """The address of a provider's API, or "" for none. It is not quoted: one with a password
    in it is just what must not be shown."""
    wanted = (
        'an http or https URL without user, query and fragment, such as "https://api.openai.com/v1"'
    )

    def check(value: object) -> str | None:
        if value == "":
            return None
        if isinstance(value, str) and _is_base_url(value):
            return None
        return f"must be {wanted}"

    return {CHECK: check, ALLOWED: wanted}


def _is_base_url(value: str) -> bool:
    try:
        url = urlsplit(value)
        port_is_valid = url.port is None or url.port > 0
    except ValueError:
        return False
    return (
        port_is_valid
        and url.scheme in ("http", "https")
        and bool(url.hostname)
        and "@" not in url.netloc
        and not url.query
        and not url.fragment
        and value.isprintable()
        and " " not in value
    )


def listen_address() -> checks.Metadata:
    """Where a server listens, as HOST:PORT."""
    return checks.judged(
        lambda value: isinstance(value, str) and _match_listen(value) is not None,
        'HOST:PORT, such as "127.0.0.1:8700" (port 0 picks a free one)',
    )


def _match_listen(address: str) -> tuple[str, int] | None:
    match = _LISTEN.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        return None
    return match["six"] or match["host"], int(match["port"])


def split_listen(address: str) -> tuple[str, int]:
    """Host and port of `address`, HOST:PORT or [IPV6]:PORT. Raises ValueError."""
    parts = _match_listen(address)
    if parts is None:
        raise ValueError(f'must be HOST:PORT, such as "127.0.0.1:8700", not {shown(address)}')
    return parts


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach `host`. A name other than localhost is
    not looked up: it may be anything tomorrow."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fault_of_origin(origin: object) -> str | None:
    """What is wrong with `origin` as a browser's Origin header, if anything."""
    if isinstance(origin, str) and _ORIGIN.fullmatch(origin):
        return None
    return (
        'must be an origin as a browser sends it, such as "https://chat.example.org": '
        f"scheme and host in full, no path, no wildcard; not {shown(origin)}"
    )
