"""What a person sees, and what a hostile mail cannot do to the reader of it."""

import time

import pytest

from models.html import read_html
from models.view import ViewLimits, view_of
from store.message.mime import parse_message
from tests.models.mails import page, plain, see


@pytest.mark.parametrize(
    ("markup", "text", "hidden"),
    [
        pytest.param("<p>one</p><p>two</p>", "one\ntwo", "", id="blocks separate"),
        pytest.param("ver<b></b>ify <i>n</i>ow", "verify now", "", id="inline tags do not split"),
        pytest.param("ver<!-- x -->ify", "verify", "", id="comments do not split"),
        pytest.param("a<br>b", "a\nb", "", id="br separates"),
        pytest.param("<td>a</td><td>b</td>", "ab", "", id="cells outside a table"),
        pytest.param("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb", "", id="cells separate"),
        pytest.param('x<span style="display:none">secret</span>', "x", "secret", id="none"),
        pytest.param('x<span style="DISPLAY : none !important">s</span>', "x", "s", id="shouted style"),
        pytest.param(
            'x<span style="visibility:hidden">s<b style="visibility:visible">t</b></span>', "xt", "s", id="vis"
        ),
        pytest.param('x<font style="font-size:0">s</font>', "x", "s", id="zero size"),
        pytest.param('x<font style="font-size:1px">s</font>', "x", "s", id="one pixel"),
        pytest.param('<td style="font-size:0px"><div style="font-size:13px">s</div></td>', "s", "", id="back"),
        pytest.param('<p style="font-size:1em">s</p>', "s", "", id="one em is ordinary"),
        pytest.param('x<p style="opacity:0">s</p>', "x", "s", id="opacity"),
        pytest.param('x<p style="color:#fff">s</p>', "x", "s", id="white on white"),
        pytest.param('x<p style="color:#fefefe;background:#fff">s</p>', "x", "s", id="nearly white on white"),
        pytest.param('<p style="color:#fff;background:#0a58ca">s</p>', "s", "", id="white on blue"),
        pytest.param('<div style="background-image:url(x.png)"><p style="color:#fff">s</p></div>', "s", "", id="pic"),
        pytest.param(
            '<table bgcolor="#000000"><tr><td><font color="#000000">s</font></td></tr></table>', "", "s", id="bg"
        ),
        pytest.param("x<div hidden>s</div>", "x", "s", id="hidden attribute"),
        pytest.param("<style>.n{display:none}</style><p class=n>s</p>x", "x", "s", id="class"),
        pytest.param(
            "<style>@media (max-width:5px){.n{display:none}}</style><p class=n>s</p>x", "s\nx", "", id="media query"
        ),
        pytest.param('x<div style="position:absolute;left:-9999px">s</div>', "x", "s", id="far away"),
        pytest.param("<script>alert(1)</script><style>p{}</style><title>t</title>x", "x", "", id="code is no text"),
        pytest.param('<img src="cid:1" alt="a picture">', "a picture", "", id="alternative text"),
    ],
)
def test_visible_and_hidden_text(markup: str, text: str, hidden: str) -> None:
    seen = read_html(markup, 10)
    assert (seen.text, seen.hidden, seen.too_deep) == (text, hidden, False)


HOSTILE = {
    "nested div": "<div>" * 100_000,
    "unclosed formatting": "".join(f"<b id={i}><p>" for i in range(20_000)),
    "formatting rebuilt for every paragraph": "".join(f"<b id={i}>" for i in range(200)) + "<p>x" * 20_000,
    "misnested": "<p><a><b>" * 20_000,
    "bogus end tags keep the count low": "<b></i>" * 30_000,
    "nested tables": "<td><table>" * 20_000,
}


@pytest.mark.parametrize("markup", HOSTILE.values(), ids=HOSTILE)
def test_hostile_html_is_stripped_without_a_tree(markup: str) -> None:
    started = time.process_time()
    view = see(page(markup + "<p>the end"))
    assert view.html_too_deep
    assert "html:too-deep" in view.tokens
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "markup",
    [
        "\u2003" * 100_000 + "x",
        "<style>" + "a" * 300_000 + "</style>x",
        "<" * 400_000,
        "<!--" * 80_000,
        "<style>@media x{" * 20_000,
        "</p>" * 60_000,
        "<p " + "a=b " * 90_000 + ">",
    ],
    ids=["wide blanks", "no rules", "angle brackets", "comments", "style", "end tags", "attributes"],
)
def test_odd_html_is_read_in_linear_time(markup: str) -> None:
    started = time.process_time()
    see(page(markup))
    assert time.process_time() - started < 2


def test_links_with_their_text() -> None:
    view = see(
        page(
            '<a href="https://one.example/a">Pay <b>now</b></a><form action="https://two.example/"></form>'
            '<img src="https://three.example/p.png"><area href="https://four.example/"> see https://five.example/x.'
        )
    )
    assert [(link.kind, link.href, link.text) for link in view.links] == [
        ("a", "https://one.example/a", "Pay now"),
        ("form", "https://two.example/", ""),
        ("img", "https://three.example/p.png", ""),
        ("area", "https://four.example/", ""),
        ("text", "https://five.example/x", "https://five.example/x"),
    ]
    assert (view.form_count, view.image_count, view.remote_image_count) == (1, 1, 1)


@pytest.mark.parametrize(
    ("shown", "target", "lies"),
    [
        ("www.bank.example", "https://evil.test/", True),
        ("https://bank.example/login", "https://login.bank.example/", False),
        ("Click here", "https://evil.test/", False),
        ("Version 2.0 is out", "https://bank.example/", False),
    ],
    ids=["other host", "same domain", "no address", "a number is no host"],
)
def test_a_link_that_shows_another_address(shown: str, target: str, lies: bool) -> None:
    assert ("link:mismatch" in see(page(f'<a href="{target}">{shown}</a>')).tokens) is lies


def test_alternatives_are_kept_apart_and_the_html_is_what_is_seen() -> None:
    mail = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nplain words\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>seen words</p>\r\n--b--\r\n"
    )
    view = see(mail)
    assert (view.plain_text, view.html_text, view.text) == ("plain words", "seen words", "seen words")


def test_encodings_do_not_change_the_view() -> None:
    head = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n"
    one = see(head + b"\r\n<p>Verify now</p>")
    two = see(head + b"Content-Transfer-Encoding: base64\r\n\r\nPHA+VmVyaWZ5IG5vdzwvcD4=\r\n")
    three = see(head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Ver=69fy now</p>\r\n")
    assert one == two == three


def test_limits_bound_everything() -> None:
    mail = parse_message(page('<p>word </p><i hidden>h</i><a href="https://x.example/">l</a>' * 500))
    view = view_of(mail, ViewLimits(text=50, hidden=20, links=3, subject=2))
    assert len(view.text) <= 50
    assert len(view.hidden_text) <= 20
    assert len(view.links) == 3
    assert view.subject == "He"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n",
        b"\x00" * 50,
        b"Content-Type: text/html\r\n\r\n\xff\xfe<p",
        b"Subject: =?utf-8?q?=ff?=\r\n\r\n\xed\xa0\x80",
    ],
    ids=["nothing", "empty", "nul", "broken html", "broken utf-8"],
)
def test_broken_mail_has_a_view(octets: bytes) -> None:
    assert isinstance(see(octets).normal, str)


def test_where_a_mail_came_from_is_not_its_nature() -> None:
    listed = see(plain("hello there friends", headers="List-Id: <x.example>\r\n"))
    assert "list:id" in listed.tokens
    from models.features import extract

    same = see(plain("hello there friends"))
    assert extract(listed).structure.tolist() == extract(same).structure.tolist()
