"""Addresses are taken apart as browsers do it."""

import time

import pytest

from gateway.content.urls import take_apart, urls_of
from models.links import Link

CASES = [
    pytest.param("https://www.shop.example/a?b#c", "https", "www.shop.example", "shop.example", None, id="plain"),
    pytest.param(
        "HTTP://WWW.Shop.EXAMPLE./", "http", "www.shop.example", "shop.example", None, id="case and final dot"
    ),
    pytest.param("//shop.example/a", "http", "shop.example", "shop.example", None, id="no scheme"),
    pytest.param("www.shop.example", "http", "www.shop.example", "shop.example", None, id="www"),
    pytest.param("https:shop.example/x", "https", "shop.example", "shop.example", None, id="no slashes"),
    pytest.param("https:////shop.example/x", "https", "shop.example", "shop.example", None, id="too many slashes"),
    pytest.param("https:\\\\evil.test\\@shop.example/", "https", "evil.test", "evil.test", None, id="backslashes"),
    pytest.param("ht\ntps://ev\til.test/", "https", "evil.test", "evil.test", None, id="line breaks and tabs"),
    pytest.param("https://shop.example@evil.test/", "https", "evil.test", "evil.test", None, id="user part"),
    pytest.param(
        "https://a@b@evil.test:8080/", "https", "evil.test", "evil.test", 8080, id="two user parts and a port"
    ),
    pytest.param("https://evil%2Etest/", "https", "evil.test", "evil.test", None, id="percent in the host"),
    pytest.param("http://192.0.2.1/", "http", "192.0.2.1", "", None, id="address"),
    pytest.param("http://3221225985/", "http", "192.0.2.1", "", None, id="decimal"),
    pytest.param("http://0300.0.2.1/", "http", "192.0.2.1", "", None, id="octal"),
    pytest.param("http://0xC0.0x0.0x2.0x1/", "http", "192.0.2.1", "", None, id="hexadecimal"),
    pytest.param("http://192.513/", "http", "192.0.2.1", "", None, id="short form"),
    pytest.param("http://[2001:DB8::1]:81/", "http", "2001:db8::1", "", 81, id="IPv6"),
    pytest.param("https://例え.jp/", "https", "xn--r8jz45g.jp", "xn--r8jz45g.jp", None, id="IDN"),
    pytest.param("https://shop。example/", "https", "shop.example", "shop.example", None, id="ideographic full stop"),
    pytest.param("https://a.b.co.uk/", "https", "a.b.co.uk", "b.co.uk", None, id="long public suffix"),
    pytest.param("https://ana.github.io/", "https", "ana.github.io", "ana.github.io", None, id="private suffix"),
    pytest.param("https://shop.example:99999999/", "https", "shop.example", "shop.example", None, id="no port"),
    pytest.param("data:text/html,x", "data", "", "", None, id="data"),
    pytest.param("JavaScript:go()", "javascript", "", "", None, id="javascript"),
]


@pytest.mark.parametrize(("href", "scheme", "host", "domain", "port"), CASES)
def test_an_address(href: str, scheme: str, host: str, domain: str, port: int | None) -> None:
    url = take_apart(href, "", "html")
    assert url is not None
    assert (url.scheme, url.host, url.domain, url.port) == (scheme, host, domain, port)


@pytest.mark.parametrize(
    "href", ["#top", "cid:1@x", "mailto:ana@shop.example", "tel:1", "", "https://", "images/a.png", " "]
)
def test_what_leads_nowhere(href: str) -> None:
    assert take_apart(href, "", "html") is None


def test_punycode_is_shown_as_a_person_sees_it() -> None:
    url = take_apart("https://xn--pypal-4ve.com/", "", "html")
    assert url is not None
    assert (url.host, url.host_unicode) == ("xn--pypal-4ve.com", "pаypal.com")  # Cyrillic а


@pytest.mark.parametrize(
    "host", ["xn--\u00e9", "xn--99999999999", "xn--a-ecp.ru", "xn--", "a..b", "-", "\ud800.test", "☃" * 300]
)
def test_hostile_hosts_do_not_raise(host: str) -> None:
    take_apart(f"https://{host}/", "", "html")


def test_addresses_without_a_scheme_are_found_in_text() -> None:
    text = "see example-login.com/verify, or mail ana@shop.example/x, and/or 3.5/4, http://a.test/b.example/c"
    assert [u.host for u in urls_of((), text, 10)] == ["example-login.com"]


def test_each_address_comes_once_and_not_without_end() -> None:
    links = [Link(f"https://d{i % 50}.test/", "x", "a") for i in range(1_000)]
    assert len(urls_of(links, "", 300)) == 50
    assert len(urls_of(links, "", 20)) == 20


@pytest.mark.parametrize("text", ["a." * 10_000, "a.bb/" * 4_000, "/" * 20_000, "aaaa-" * 4_000 + ".com/x"])
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    urls_of((), text, 300)
    assert time.process_time() - start < 1.0
