"""Mails made of bits of signatures: whatever comes, results come back, and no stamp lets a forgery through."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.stamp import is_forged, stamp
from tests.gateway.mailauth.mailroom import arc_seal, envelope, parsed, resolver, sign

_WORDS = (
    *(b"DKIM-Signature:", b"ARC-Seal:", b"ARC-Message-Signature:", b"ARC-Authentication-Results:", b"From:", b"From "),
    *(
        b"Authentication-Results:",
        b"X-Spam-Flag: NO",
        b"mx.test; dkim=pass",
        b" v=1; a=rsa-sha256;",
        b" i=1;",
        b" i=2;",
    ),
    *(b" cv=none;", b" d=example.test; s=sel;", b" h=from:to:subject;", b" bh=AAAA;", b" b=AAAA", b" l=3;", b" t="),
    *(
        b" c=relaxed;",
        b"a@example.test",
        b"\r\n",
        b"\r\n ",
        b"\r\n\r\n",
        b";",
        b"=",
        b"\t",
        b"\xff",
        b"\x00",
        b"(",
        b")",
    ),
)
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
