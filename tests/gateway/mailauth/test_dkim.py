"""Which signatures count."""

import time
from datetime import timedelta

import pytest

from gateway.dns.zone import ZoneResolver
from gateway.mailauth.dkim import check_dkim
from gateway.mailauth.results import DkimResult
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, NOW, Key, ed25519_key, parsed, resolver, rsa_key, sign

KEY_NAME = "sel._domainkey.example.test"


async def check(mail: bytes, zone: ZoneResolver | None = None) -> tuple[DkimResult, ...]:
    return await check_dkim(parsed(mail), zone or resolver(), NOW, AuthSettings())


async def check_one(mail: bytes, zone: ZoneResolver | None = None) -> DkimResult:
    (result,) = await check(mail, zone)
    return result


async def test_an_unsigned_mail_costs_nothing() -> None:
    zone = resolver()
    assert await check(MAIL, zone) == ()
    assert not zone.asked


@pytest.mark.parametrize("ways", [(a, b) for a in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")])
@pytest.mark.parametrize("body", [b"", b"\r\n\r\n", b"a  b\t \r\n \r\n\r\n", b"no line end"], ids=repr)
async def test_a_true_signature(ways: tuple[bytes, bytes], body: bytes) -> None:
    mail = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    result = await check_one(sign(mail, ways=ways))
    assert (result.result, result.domain, result.selector) == ("pass", "example.test", "sel")
    assert (result.algorithm, result.key_bits, result.identity) == ("rsa-sha256", 2048, "@example.test")


async def test_ed25519() -> None:
    result = await check_one(sign(key=ed25519_key()), resolver(key=ed25519_key()))
    assert (result.result, result.algorithm, result.weakness) == ("pass", "ed25519-sha256", "")


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        pytest.param(b"at noon", b"at night", "fail", id="body-changed"),
        pytest.param(b"Subject: Lunch", b"Subject: Money", "fail", id="subject-changed"),
        pytest.param(b"From: Ann", b"From: eve@evil.test\r\nFrom: Ann", "fail", id="second-from"),
        pytest.param(b"From: Ann", b"From : eve@evil.test\r\nFrom: Ann", "permerror", id="second-from-in-disguise"),
        pytest.param(b"From: Ann", b"from : eve@evil.test\r\nFrom: Ann", "permerror", id="in-another-disguise"),
        pytest.param(b"v=1;", b"v=2;", "permerror", id="version"),
        pytest.param(b"a=rsa-sha256", b"a=rsa-md5", "permerror", id="algorithm"),
        pytest.param(b"d=example.test;", b"", "permerror", id="no-domain"),
        pytest.param(b"bh=", b"zz=", "permerror", id="no-body-hash"),
        pytest.param(b"c=relaxed/relaxed", b"c=loose/loose", "permerror", id="canonicalisation"),
        pytest.param(b"h=from : to", b"h=resent-from : to", "permerror", id="from-not-covered"),
        pytest.param(b"i=@example.test", b"i=@evil.test", "permerror", id="identity-elsewhere"),
        pytest.param(b"q=dns/txt", b"q=dns/txt; q=dns/txt", "permerror", id="tag-twice"),
    ],
)
async def test_a_signature_that_does_not_hold(old: bytes, new: bytes, outcome: str) -> None:
    mail = sign().replace(b"\r\n : ", b" : ")
    changed = mail.replace(old, new, 1)
    assert changed != mail
    last_from = changed.rfind(b" : from;")
    changed = changed[:last_from] + b";" + changed[last_from + 8 :] if b"resent-from" in new else changed
    assert (await check_one(changed)).result == outcome


async def test_what_was_added_below_a_length_is_not_signed() -> None:
    result = await check_one(sign(length=True) + b"Click here\r\n")
    assert (result.result, result.weakness) == ("policy", "length")


async def test_a_length_never_passes() -> None:
    assert (await check_one(sign(length=True))).result == "policy"


async def test_sha1_never_passes() -> None:
    result = await check_one(sign(algorithm=b"rsa-sha1"))
    assert (result.result, result.weakness) == ("permerror", "sha1")


@pytest.mark.parametrize(
    ("bits", "outcome", "weakness"),
    [(768, "fail", "short-key"), (1024, "pass", "weak-key"), (2048, "pass", "")],
)
async def test_length_of_the_key(bits: int, outcome: str, weakness: str) -> None:
    key = rsa_key(bits)
    result = await check_one(sign(key=key), resolver(key=key))
    assert (result.result, result.weakness, result.key_bits) == (outcome, weakness, bits)


@pytest.mark.parametrize(
    ("signed", "expires", "outcome", "weakness"),
    [
        pytest.param(-60, 3_600, "pass", "", id="in-time"),
        pytest.param(-7_200, -3_600, "fail", "expired", id="expired"),
        pytest.param(-7_200, -60, "pass", "", id="clocks-differ"),
        pytest.param(3_600, None, "fail", "future", id="from-the-future"),
        pytest.param(60, None, "pass", "", id="a-little-ahead"),
    ],
)
async def test_time(signed: int, expires: int | None, outcome: str, weakness: str) -> None:
    until = None if expires is None else NOW + timedelta(seconds=expires)
    result = await check_one(sign(at=NOW + timedelta(seconds=signed), expires=until))
    assert (result.result, result.weakness) == (outcome, weakness)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        pytest.param("v=DKIM1; p=", "permerror", id="revoked"),
        pytest.param("v=DKIM1; p=!!!", "permerror", id="no-key"),
        pytest.param("v=DKIM1; p=AAAA", "permerror", id="no-structure"),
        pytest.param("v=DKIM2; p=AAAA", "permerror", id="version"),
        pytest.param("v=DKIM1; k=dsa; p=AAAA", "permerror", id="kind"),
        pytest.param("hello", "permerror", id="another-record"),
        pytest.param(rsa_key().record.replace("k=rsa", "k=rsa; s=tlsrpt"), "permerror", id="not-for-mail"),
        pytest.param(rsa_key().record.replace("k=rsa", "k=rsa; h=sha1"), "permerror", id="hash-not-allowed"),
        pytest.param(rsa_key().record.replace("k=rsa", "k=rsa; h=sha256 : sha1; s=email"), "pass", id="allowed"),
        pytest.param(ed25519_key().record, "permerror", id="other-kind-of-key"),
        pytest.param(rsa_key().record.replace("k=rsa; ", ""), "pass", id="rsa-is-the-default"),
    ],
)
async def test_key_records(record: str, outcome: str) -> None:
    assert (await check_one(sign(), resolver({KEY_NAME: {"TXT": [record]}}))).result == outcome


async def test_a_key_for_the_domain_itself_only() -> None:
    strict = rsa_key().record.replace("k=rsa", "k=rsa; t=s")
    mail = sign(identity="ann@sub.example.test")
    assert (await check_one(mail, resolver({KEY_NAME: {"TXT": [strict]}}))).result == "permerror"
    assert (await check_one(mail)).result == "pass"


async def test_a_key_on_trial_is_noted() -> None:
    result = await check_one(sign(), resolver({KEY_NAME: {"TXT": [rsa_key().record + "; t=y"]}}))
    assert (result.result, result.testing) == ("pass", True)


async def test_no_key_is_not_the_same_as_no_answer() -> None:
    assert (await check_one(sign(selector="gone"))).result == "permerror"
    assert (await check_one(sign(), resolver(fail=[f"TXT {KEY_NAME}"]))).result == "temperror"


async def test_each_signature_has_its_own_result_in_the_order_of_the_mail() -> None:
    mail = sign(sign(sign(), domain="list.test"), key=ed25519_key(), selector="ed")
    zone = resolver({"ed._domainkey.example.test": {"TXT": [ed25519_key().record]}})
    assert [(r.domain, r.result) for r in await check(mail, zone)] == [
        ("example.test", "pass"),
        ("list.test", "permerror"),
        ("example.test", "pass"),
    ]


async def test_only_the_topmost_signatures_are_looked_at() -> None:
    mail = MAIL
    for n in range(13):
        mail = sign(mail, selector=f"s{n}")
    zone = resolver()
    assert len(await check(mail, zone)) == AuthSettings().max_signatures
    assert zone.asked.total() == AuthSettings().max_signatures


def _huge_key() -> Key:
    import base64

    def tlv(tag: int, content: bytes) -> bytes:
        size = len(content)
        return bytes([tag, 0x82]) + size.to_bytes(2, "big") + content

    number = tlv(2, b"\x7f" + b"\xff" * 2_500)  # a power of this to this takes minutes
    public = tlv(0x30, number + number)
    return Key(b"", f"v=DKIM1; k=rsa; p={base64.b64encode(public)[:8_000].decode()}", b"rsa-sha256")


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"b=" + b"\r\n " * 5_000, id="white-space"),
        pytest.param(b"h=" + b"from:" * 3_000 + b"to", id="many-names"),
        pytest.param(b"b=" + b"A" * 200_000, id="long"),
        pytest.param(b";" * 200_000, id="empty-tags"),
        pytest.param(b"\xff\xfe\x00", id="octets"),
        pytest.param(b"l=" + b"9" * 70 + b"; b=AAAA; bh=AAAA; h=from; v=1; a=rsa-sha256", id="long-number"),
    ],
)
async def test_hostile_signatures_are_refused_quickly(field: bytes) -> None:
    mail = b"DKIM-Signature: d=example.test; s=sel; " + field + b"\r\n" + MAIL
    started = time.process_time()
    results = await check(mail)
    assert results and all(one.result in ("permerror", "fail") for one in results)
    assert time.process_time() - started < 1.0


async def test_a_hostile_key_is_refused_quickly() -> None:
    started = time.process_time()
    assert (await check_one(sign(), resolver(key=_huge_key()))).result == "permerror"
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b" " * 3_000_000 + b"x\r\n", id="spaces"),
        pytest.param(b"\r\n" * 1_500_000, id="empty-lines"),
        pytest.param(b"\n\r" * 1_500_000, id="reversed-line-ends"),
        pytest.param(b"a b\tc \r\n" * 400_000, id="short-lines"),
    ],
)
async def test_large_bodies_take_time_linear_in_their_size(body: bytes) -> None:
    mail = (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=sel; h=from; bh=AAAA; b=AAAA\r\n"
        + (MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body)
    )
    started = time.process_time()
    assert (await check_one(mail)).result == "fail"
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"v=1; ", b"v=1;; ", id="empty-tag"),
        pytest.param(b"v=1; ", b"v=1; x; ", id="tag-without-value"),
        pytest.param(b"v=1; ", b"v=1; d=; ", id="domain-twice"),
        pytest.param(b"i=@example.test", b"i=@badexample.test", id="identity-of-a-longer-name"),
        pytest.param(b"i=@example.test", b"i=example.test", id="identity-without-at"),
        pytest.param(b"i=@example.test", b"i=ann@test", id="identity-above"),
        pytest.param(b"q=dns/txt", b"q=dns/mx", id="query"),
    ],
)
async def test_tags_that_cannot_be(old: bytes, new: bytes) -> None:
    changed = sign().replace(old, new, 1)
    assert changed != sign()
    assert (await check_one(changed)).result == "permerror"


async def test_an_identity_below_the_domain_is_fine() -> None:
    result = await check_one(sign(identity="ann@a.b.example.test"))
    assert (result.result, result.identity, result.domain) == ("pass", "ann@a.b.example.test", "example.test")


async def test_a_field_signed_once_more_than_it_is_there_cannot_be_added() -> None:
    mail = sign(names=(b"from", b"from", b"to", b"subject", b"subject", b"reply-to"))
    assert (await check_one(mail)).result == "pass"
    for added in (b"Subject: Money\r\n", b"Reply-To: eve@evil.test\r\n", b"From: eve@evil.test\r\n"):
        for changed in (added + mail, mail.replace(b"To: bob", added + b"To: bob")):
            assert (await check_one(changed)).result == "fail", added
    assert (await check_one(b"Cc: eve@evil.test\r\n" + mail)).result == "pass"  # that one was not signed


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        pytest.param(["v=spf1 -all", rsa_key().record], "pass", id="beside-another"),
        pytest.param(["v=DKIM1; p=", rsa_key().record], "permerror", id="revoked-comes-first"),
        pytest.param([rsa_key().record + "; p=AAAA"], "permerror", id="tag-twice"),
        pytest.param([rsa_key().record.replace("k=rsa", "k=rsa; n=a note; g=*; zz=1")], "pass", id="unknown-tags"),
        pytest.param([rsa_key().record.replace("k=rsa", "k=rsa; t=y:s")], "pass", id="flags"),
        pytest.param(["p=" + rsa_key().record.partition("p=")[2]], "pass", id="key-alone"),
    ],
)
async def test_several_records_and_odd_ones(records: list[str], outcome: str) -> None:
    assert (await check_one(sign(), resolver({KEY_NAME: {"TXT": records}}))).result == outcome
