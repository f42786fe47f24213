"""Mails that attack the reader of the quarantine: nothing runs, nothing is fetched, nothing hides."""

import re
from collections.abc import AsyncIterator

import pytest

from protocols.console import preview
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, Sample, octets
from tests.protocols.console.scene import Browser, Scene, browser, id_of, scene


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene(mails.HELD) as one:
        yield one


@pytest.fixture
async def admin(made: Scene) -> AsyncIterator[Browser]:
    async with browser(made) as one:
        await one.sign_in(ADMIN)
        yield one


PAGES = (
    "/queue",
    "/queue?tab=all",
    "/queue?q=<script>alert(9)</script>",
    "/live",
    "/audit",
    *(f"/message/{id_of('script')}?view={view}" for view in preview.VIEWS),
    *(f"/message/{id_of('sign')}?view={view}" for view in preview.VIEWS),
    *(f"/message/{id_of('rlo')}?view={view}" for view in preview.VIEWS),
)


@pytest.mark.parametrize("path", PAGES)
async def test_no_field_of_a_mail_becomes_markup(admin: Browser, path: str) -> None:
    answer = await admin.get(path)
    assert answer.status_code == 200
    page = answer.text
    assert re.findall(r"<script(?! src=\"/static/console\.js)", page) == []
    assert "<img" not in page
    assert not re.search(r"<[^>]*\son[a-z]+=", re.sub(r'"[^"]*"', '""', page)), "no inline handlers"
    assert not re.search(r"<[^>]*\sstyle=", re.sub(r'"[^"]*"', '""', page)), "no inline styles"
    assert "<style" not in page
    assert not re.search(r'(?:href|src|action)="(?!/|\?|#)[^"]*"', page), "nothing leads out of the console"


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_the_strict_policy(admin: Browser, path: str) -> None:
    policy = (await admin.get(path)).headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


async def test_hostile_words_are_shown_for_what_they_are(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('script')}")).text
    assert "&lt;script&gt;alert(&#39;subject&#39;)&lt;/script&gt;" in page
    assert "&lt;script&gt;alert(&#39;reason&#39;)&lt;/script&gt;" in page
    assert "&lt;script&gt;alert(&#39;body&#39;)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_direction_marks_are_seen_and_do_not_act(admin: Browser) -> None:
    for path in ("/queue", f"/message/{id_of('rlo')}", f"/message/{id_of('rlo')}?view=parts"):
        page = (await admin.get(path)).text
        assert "\u202e" not in page
        assert "\u200b" not in page
        assert "\x07" not in page
        assert ">RLO</span>" in page


async def test_the_frame_is_sandboxed_twice(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('sign')}?view=html")).text
    frame = re.search(r"<iframe[^>]*>", page)
    assert frame is not None
    assert " sandbox " in frame[0], "the empty sandbox: no script, no form, no own origin"
    answer = await admin.get(f"/message/{id_of('sign')}/preview")
    policy = answer.headers["content-security-policy"]
    assert policy.endswith("sandbox")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "img-src data:;" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_preview_shows_and_does_nothing(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('sign')}/preview")).text
    assert "https://www.docusign.com/sign" in page
    assert "→ docs-share.example" in page, "where the link really leads"
    assert "hidden words that only a filter reads" in page, "what the sender hid is seen"
    for gone in ("<script", "<form", "<input", "onerror", "href=", "px.docs-share.example", "display:none"):
        assert gone not in page


async def test_what_was_not_loaded_is_counted(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('play')}?view=html")).text
    assert "2 remote pictures, 1 of them too small to be seen" in page
    page = (await admin.get(f"/message/{id_of('sign')}?view=html")).text
    assert "1 remote picture; 1 form removed; 1 script removed" in page


async def test_links_are_text_and_a_lie_is_named(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('sign')}?view=links")).text
    assert "names another host" in page
    assert "https://docs-share.example/a/b?u=ana" in page
    assert 'href="https://' not in page


async def test_a_host_in_another_alphabet_is_spelled_both_ways(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('bank')}?view=links")).text
    assert "xn--premire-bank-xjb.example" in page
    assert "shown as" in page


async def test_a_download_cannot_be_opened_as_a_page(made: Scene, admin: Browser) -> None:
    answer = await admin.get(f"/message/{id_of('script')}/source.eml")
    assert answer.content == octets(next(s for s in mails.HELD if s.key == "script"))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = (await admin.get("/audit")).text
    assert "message.download" in page


@pytest.mark.parametrize("reception", ["..%2f..%2fetc", "a%00b", "%F0%9F%92%A9", "x" * 65, "a%0d%0aSet-Cookie:%20a=b"])
async def test_an_odd_id_is_not_there(admin: Browser, reception: str) -> None:
    assert (await admin.get(f"/message/{reception}")).status_code == 404


@pytest.mark.parametrize("name", ["../routes.py", "..%2froutes.py", "console.html", ""])
async def test_only_our_own_files_are_served(admin: Browser, name: str) -> None:
    assert (await admin.get(f"/static/{name}")).status_code == 404


def _html(body: str) -> bytes:
    return octets(Sample("x", "", "a@b.example", "s", "spam", (), html=body))


NASTY = (
    "<a href='https://evil.example/'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<img src='https://evil.example/p.png'>",
    "<img src='//evil.example/p.png' srcset='https://evil.example/2x 2x'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<table background='https://evil.example/b.png'><tr><td background=https://evil.example/c>x</table>",
    "<p style='background:url(https://evil.example/)'>x</p>",
    "<p style='position:fixed;inset:0;background-image:url(//evil.example)'>x</p>",
    "<style>@import 'https://evil.example/x.css'; p{background:url(https://evil.example/)}</style><p>x</p>",
    "<link rel=stylesheet href=https://evil.example/><base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<iframe src=https://evil.example/></iframe><object data=https://evil.example/></object><embed src=//evil.example>",
    "<form action=https://evil.example/><button formaction=https://evil.example/2>go</button></form>",
    "<svg><a href='https://evil.example/'><image href='https://evil.example/x'/></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<video src=https://evil.example/ poster=https://evil.example/p autoplay></video>",
    "<audio src=//evil.example></audio>",
    "<p onclick=alert(1) onmouseover=alert(2)>x</p><body onload=alert(3)>",
    "<img alt='</a></body><script>alert(1)</script>'>",
    "<!--><script>alert(1)</script>-->",
    "<a href='x'><a href='https://evil.example/'>nested</a></a></a></a>",
)


@pytest.mark.parametrize("body", NASTY)
def test_sanitised_html_can_load_and_run_nothing(body: str) -> None:
    page = preview.document(_html(body)).partition("<body>")[2]
    tags = re.findall(r"<[^>]*>", page)
    for tag in tags:
        assert not re.match(r"<(script|style|iframe|object|embed|form|input|svg|math|video|audio|link|base|meta)", tag)
        assert not re.search(r"\s(on\w+|href|srcset|background|formaction|action|poster)=", tag), tag
        assert "evil.example" not in tag
        assert not re.search(r'src="(?!data:image/(?:png|jpeg|gif|webp);base64,)', tag), tag
    assert page.count("<span") == page.count("</span>")


def test_pictures_that_came_with_the_mail_are_shown() -> None:
    raw = (
        b"Content-Type: multipart/related; boundary=e\r\n\r\n--e\r\nContent-Type: text/html\r\n\r\n"
        b"<img src='cid:logo@x'><img src='cid:other'>\r\n--e\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--e--\r\n"
    )
    page = preview.document(raw)
    assert page.count('<img src="data:image/png;base64,iVBORw0KGgo="') == 1
    assert page.count("<img") == 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 100_000,
        "<p><a><b>" * 40_000,
        "<img" * 100_000,
        "<table><tr><td>" * 30_000,
        "<a href=x>" * 40_000,
        "<" * 400_000,
    ],
    ids=["deep div", "misnested", "open img", "tables", "anchors", "angle brackets"],
)
def test_html_that_breaks_parsers_costs_little(body: str) -> None:
    raw = _html(body)
    for view in ("text", "html", "links"):
        preview.look(raw, view)
    assert "</html>" in preview.document(raw)


def test_too_deep_html_is_shown_as_text_and_says_so() -> None:
    raw = _html("<div>" * 1_000 + "the end")
    assert preview.look(raw, "html").is_too_deep
    page = preview.document(raw)
    assert "nested too deep" in page
    assert "the end" in page


@pytest.mark.parametrize("raw", [b"", b"\x00" * 1_000, b"\xff" * 1_000, b"Content-Type: multipart/mixed\r\n\r\n"])
@pytest.mark.parametrize("view", preview.VIEWS)
def test_garbage_is_looked_at_without_harm(raw: bytes, view: str) -> None:
    preview.look(raw, view)
    preview.document(raw)
