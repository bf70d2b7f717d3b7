"""Proxies from the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

Read once, when a transport is made. NO_PROXY is a list of hosts with commas: a
domain stands for itself and all below it, with or without a leading dot; `host:port`
for that port; an address or a network (10.0.0.0/8) for addresses; `*` for all.
"""

import ipaddress
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.request import getproxies

import attrs
import httpx

__all__ = ["Proxies", "Proxy"]


@attrs.frozen
class Proxy:
    """One proxy. `authorization` is a whole header line or empty, and is a secret."""

    scheme: str
    host: str
    port: int
    authorization: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def parse(cls, text: str) -> "Proxy":
        """Read `http://user:password@host:port`; raises `httpx.UnsupportedProtocol`, `httpx.InvalidURL`."""
        url = httpx.URL(text if "://" in text else f"http://{text}")
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol(
                f"the proxy {url.scheme}://{url.host} from the environment cannot be used: "
                "only http:// and https:// proxies are supported"
            )
        authorization = b""
        if url.username or url.password:
            pair = b64encode(f"{url.username}:{url.password}".encode())
            authorization = b"Proxy-Authorization: Basic " + pair + b"\r\n"
        port = url.port or (443 if url.scheme == "https" else 80)
        return cls(url.scheme, url.raw_host.decode("ascii"), port, authorization)


@attrs.frozen
class Proxies:
    """Which proxy an origin is asked through."""

    by_scheme: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    exceptions: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, read: Callable[[], Mapping[str, str]] = getproxies) -> "Proxies":
        found = dict(read())
        exceptions = found.pop("no", "")
        return cls(found, tuple(item.strip() for item in exceptions.split(",") if item.strip()))

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """None: the origin is asked directly."""
        text = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        if not text or any(_covers(item, host, port) for item in self.exceptions):
            return None
        return Proxy.parse(text)


def _covers(item: str, host: str, port: int) -> bool:
    if item == "*":
        return True
    address = _address(host)
    if address is not None:
        return _covers_address(item, address, port)
    name, _, its_port = item.lower().partition(":")
    if its_port and its_port != str(port):
        return False
    name = name.lstrip("*").lstrip(".")
    return bool(name) and (host.lower() == name or host.lower().endswith("." + name))


def _covers_address(
    item: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> bool:
    if item.startswith("["):
        item, _, its_port = item[1:].partition("]")
        its_port = its_port.lstrip(":")
    elif item.count(":") == 1:
        item, _, its_port = item.partition(":")
    else:
        its_port = ""
    try:
        network = ipaddress.ip_network(item, strict=False)
    except ValueError:
        return False  # a name: it says nothing about addresses
    return address in network and (not its_port or its_port == str(port))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
