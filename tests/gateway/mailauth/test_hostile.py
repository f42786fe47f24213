"""Mails made of bits of signatures: whatever comes, results come back, and no stamp lets a forgery through."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.stamp import is_forged, stamp
from tests.gateway.mailauth.mailroom import arc_seal, envelope, parsed, resolver, sign

_WORDS = [
    word.encode("latin-1")
    for word in ["DKIM-Signature:", "ARC-Seal:", "ARC-Message-Signature:", "ARC-Authentication-Results:", "From:", "From ", "X-Spam-Flag: NO", "Authentication-Results:", "mx.test; dkim=pass", " v=1; a=rsa-sha256;", " i=1;", " i=2;", " cv=none;", " d=example.test; s=sel;", " h=from:to:subject;", " bh=AAAA;", " b=AAAA", " l=3;", " x=1;", " t=", " c=relaxed;", "a@example.test", "\r\n", "\r\n ", "\r\n\r\n", ";", "=", "\t", "ÿ", "\x00", "(", ")", '"', "\\"]
]
MAILS = st.lists(st.sampled_from(_WORDS), max_size=40).map(b"".join)
SIGNED = arc_seal(sign(), "one.test", b"spf=pass")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MAILS)
async def test_any_mail_gets_results(mail: bytes) -> None:
    found = await authenticate(envelope(), parsed(mail), resolver(), AuthSettings("mx.test"))
    assert not found.notes and "pass" not in {one.result for one in found.dkim} and found.arc.result != "pass"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SIGNED) - 1), st.binary(min_size=1, max_size=3))
async def test_a_signed_mail_with_a_few_octets_changed(at: int, octets: bytes) -> None:
    mail = SIGNED[:at] + octets + SIGNED[at + len(octets) :]
    found = await authenticate(envelope(), parsed(mail), resolver(), AuthSettings("mx.test"))
    assert not found.notes


@settings(deadline=None)
@given(MAILS)
def test_no_forgery_is_left_in_the_header(mail: bytes) -> None:
    done = stamp(mail, parsed(mail), [("X-Mailward-Verdict", "ham")], "mx.test")
    top = done.partition(b"\r\n")[0]
    assert top == b"X-Mailward-Verdict: ham"
    fields = [f.name.encode("ascii", "replace") + b":" + f.raw for f in parsed(done).headers.fields[1:]]
    assert not [field for field in fields if is_forged(field, "mx.test")]
