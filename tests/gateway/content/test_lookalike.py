"""Which hosts are made to be taken for another, and which honest hosts only resemble one."""

import pytest

from gateway.content.brands import ORDINARY_WORDS, brand_domains
from gateway.content.hosts import to_ascii
from gateway.content.lookalike import edits, lookalike
from gateway.content.scripts import is_mixed_script, scripts_of
from gateway.content.skeleton import skeleton

OURS = ("example.com", "acme-corp.test", "xn--mller-kva.example", "dhl.test")


@pytest.mark.parametrize(
    ("host", "domain", "how"),
    [
        ("exаmple.com", "example.com", "homograph"),  # Cyrillic а
        ("еxаmрlе.com", "example.com", "homograph"),  # Cyrillic е, а, р
        ("examp1e.com", "example.com", "homograph"),
        ("exarnple.org", "example.com", "homograph"),
        ("exämple.com", "example.com", "homograph"),
        ("ᴇxample.com", "example.com", "homograph"),
        ("mail.exarnple.com", "example.com", "homograph"),
        ("muller.example", "xn--mller-kva.example", "homograph"),
        ("exampel.com", "example.com", "typo"),
        ("exmple.com", "example.com", "typo"),
        ("examples.com", "example.com", "typo"),
        ("example-login.com", "example.com", "words"),
        ("secure-example.net", "example.com", "words"),
        ("loginexample.net", "example.com", "words"),
        ("examplepayroll.net", "example.com", "words"),
        ("dhl-parcel.net", "dhl.test", "words"),
        ("exam-ple.com", "example.com", "hyphen"),
        ("acmecorp.test", "acme-corp.test", "hyphen"),
        ("example.net", "example.com", "ending"),
        ("example.com.evil.test", "example.com", "subdomain"),
        ("www.example.com-login.evil.test", "example.com", "subdomain"),
    ],
)
def test_an_imitation(host: str, domain: str, how: str) -> None:
    match = lookalike(to_ascii(host), OURS)
    assert match is not None
    assert (match.domain, match.how) == (domain, how)


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "www.example.com", "acme-corp.test", "xn--mller-kva.example", "sample.com", "expertise.com"),
        *("acme.test", "corp.test", "fuller-brush.test", "dhlx.test", "my-dhlx.test", "xn--r8jz45g.jp"),
        *("templates.test", "exam.test", "ample.test", "192.0.2.1", "", "com", "localhost"),
    ],
)
def test_no_imitation(host: str) -> None:
    assert lookalike(host, OURS) is None


def test_a_brands_own_domains_do_not_imitate_each_other() -> None:
    for domain in brand_domains():
        assert lookalike(domain, brand_domains(), endings=False) is None, domain
        assert lookalike("www." + domain, brand_domains(), endings=False) is None, domain


@pytest.mark.parametrize(
    "host", ["google.fr", "netflix.net", "livemail.com", "officedepot.com", "outlook.de", "applebees.com"]
)
def test_a_brands_name_abroad_and_ordinary_words_are_honest(host: str) -> None:
    assert lookalike(host, brand_domains(), endings=False, words=ORDINARY_WORDS) is None


@pytest.mark.parametrize(
    "host",
    ["paypai.com", "faceboook.com", "dropb0x.com", "0utlook.com", "paypal-verify.test", "offlce.com", "paypal.top"],
)
def test_a_brands_imitations(host: str) -> None:
    assert lookalike(host, brand_domains(), endings=False, words=ORDINARY_WORDS) is not None


def test_nothing_is_protected_by_default() -> None:
    assert lookalike("examp1e.com", ()) is None


@pytest.mark.parametrize(
    "text",
    ["раураl", "PAYPAL", "PayPaI", "𝐏𝐚𝐲𝐏𝐚𝐥", "ᴘᴀʏᴘᴀʟ", "pаypal", "ｐａｙｐａｌ", "páypál", "pay\u200bpal", "🅿🅰🆈🅿🅰🅻"],
)
def test_what_the_eye_reads_as_one_name(text: str) -> None:
    assert skeleton(text) == skeleton("paypal")


@pytest.mark.parametrize(
    ("one", "other"), [("modern", "modem"), ("vvater", "water"), ("clog", "dog"), ("l0gin", "login")]
)
def test_letters_that_run_together(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("москва", "moscow"), ("東京", "京都"), ("bank", "tank")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("label", ["pаypal", "Αpple", "abcд", "גoogle", "москvа"])
def test_mixed_scripts(label: str) -> None:
    assert is_mixed_script(label)


@pytest.mark.parametrize(
    "label",
    [
        "例え",
        "例えab",
        "カード",
        "ラーメン",
        "abc中文",
        "한국어abc",
        "韓國한국",
        "москва",
        "müller",
        "µtorrent",
        "straße",
        "a1",
        "",
        "½x",
        "₂o",
    ],
)
def test_one_script_or_an_ordinary_mix(label: str) -> None:
    assert not is_mixed_script(label)


def test_scripts_by_name() -> None:
    assert scripts_of("aд漢カ") == {"LATIN", "CYRILLIC", "HAN", "KATAKANA"}


@pytest.mark.parametrize(
    ("one", "other", "most", "found"),
    [
        ("abc", "abc", 2, 0),
        ("abcd", "abdc", 2, 1),
        ("abcd", "acd", 2, 1),
        ("abcd", "xbcdy", 2, 2),
        ("abcd", "wxyz", 2, 3),
    ],
)
def test_edits(one: str, other: str, most: int, found: int) -> None:
    assert edits(one, other, most) == found


@pytest.mark.parametrize("host", ["dhi.test", "dh1.test"])
def test_three_plain_letters_are_too_few_to_tell_and_a_digit_is_not(host: str) -> None:
    assert (lookalike(host, OURS) is not None) == ("1" in host)
