"""Which proxy is asked, by what the environment says."""

import httpx
import pytest

from trouper.actors.transport.proxy import Proxies, Proxy


def proxies(**settings: str) -> Proxies:
    return Proxies.from_environment(lambda: settings)


def test_no_setting_is_no_proxy() -> None:
    assert proxies().proxy_for("https", "api.example", 443) is None


def test_each_scheme_has_its_proxy_and_all_is_for_the_rest() -> None:
    known = proxies(http="http://plain:3128", all="http://rest:3128")

    assert known.proxy_for("http", "a.example", 80) == Proxy("http", "plain", 3128)
    assert known.proxy_for("https", "a.example", 443) == Proxy("http", "rest", 3128)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example", Proxy("http", "proxy.example", 80)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        ("proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("http://[::1]:3128/", Proxy("http", "::1", 3128)),
    ],
)
def test_a_proxy_may_be_written_shortly(text: str, proxy: Proxy) -> None:
    assert Proxy.parse(text) == proxy


@pytest.mark.parametrize("text", ["socks5://joe:hidden@proxy.example:1080", "http://"])
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(text: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol, match="only http") as caught:
        proxies(all=text).proxy_for("https", "api.example", 443)

    assert "hidden" not in str(caught.value)


def test_the_password_is_in_no_repr() -> None:
    known = proxies(all="http://joe:hidden@proxy.example")

    assert "hidden" not in repr(known)
    assert "am9l" not in repr(known.proxy_for("https", "api.example", 443))


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "direct"),
    [
        ("*", "api.example", 443, True),
        ("example", "example", 443, True),
        ("example", "api.example", 443, True),
        (".example", "api.example", 443, True),
        ("*.example", "api.example", 443, True),
        ("EXAMPLE", "Api.Example", 443, True),
        ("ample", "api.example", 443, False),
        ("api.example", "example", 443, False),
        ("api.example:443", "api.example", 443, True),
        ("api.example:8443", "api.example", 443, False),
        ("other, api.example ,", "api.example", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.1:80", "10.0.0.1", 80, True),
        ("10.0.0.1:81", "10.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:81", "::1", 80, False),
        ("localhost", "127.0.0.1", 80, False),
        ("10.0.0.0/8", "api.example", 80, False),
        (".", "api.example", 80, False),
        ("", "api.example", 80, False),
    ],
)
def test_no_proxy_names_who_is_asked_directly(
    exceptions: str, host: str, port: int, direct: bool
) -> None:
    known = proxies(all="http://proxy.example", no=exceptions)

    assert (known.proxy_for("https", host, port) is None) == direct
