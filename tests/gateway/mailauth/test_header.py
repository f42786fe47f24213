"""Results as header fields, read back with another project's parser."""

import authres
import pytest

from gateway.mailauth.header import authentication_results, received_spf
from gateway.mailauth.results import ArcResult, AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from tests.gateway.mailauth.mailroom import envelope

FULL = AuthResults(
    SpfResult("pass", "mail.example.test", "helo"),
    SpfResult("fail", "example.test", "mfrom", "not (this) host", "-all"),
    (
        DkimResult("pass", "example.test", "sel", "rsa-sha256", 2048, "@example.test", signature_start="abc/+="),
        DkimResult("policy", "list.test", "s", "rsa-sha256", 2048, weakness="length", reason="only a part"),
    ),
    ArcResult("pass", 2, ("one.test", "two.test")),
    DmarcResult("pass", "reject", "none", "example.test", "example.test"),
    IprevResult("pass", "mail.example.test"),
)


def _read(value: str) -> list[tuple[str, str]]:
    parsed = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + value)
    return [(one.method, one.result) for one in parsed.results]


def test_a_full_field() -> None:
    value = authentication_results(FULL, "mx.receiver.test", "192.0.2.1")
    assert _read(value) == [
        ("spf", "fail"),
        ("spf", "pass"),
        ("dkim", "pass"),
        ("dkim", "policy"),
        ("arc", "pass"),
        ("dmarc", "pass"),
        ("iprev", "pass"),
    ]
    assert value.startswith("mx.receiver.test;\r\n\tspf=fail (not  this  host) smtp.mailfrom=example.test;\r\n\t")
    assert 'header.b="abc/+="' in value and "policy.iprev=192.0.2.1" in value
    assert all(len(line) < 200 for line in value.split("\r\n"))


def test_an_empty_field() -> None:
    assert _read(authentication_results(AuthResults(), "mx.test")) == [("dkim", "none"), ("dmarc", "none")]


EVIL = 'x); dkim=pass (\r\nBcc: a@b.test\r\n\r\n\x00"\\\u202e é'


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param(AuthResults(spf_mailfrom=SpfResult("fail", EVIL, "mfrom", EVIL, EVIL)), id="spf"),
        pytest.param(AuthResults(dkim=(DkimResult("fail", EVIL, EVIL, EVIL, 1, EVIL, EVIL, EVIL),)), id="dkim"),
        pytest.param(AuthResults(arc=ArcResult("fail", 1, (EVIL,), False, EVIL, EVIL)), id="arc"),
        pytest.param(AuthResults(dmarc=DmarcResult("fail", "", "", EVIL, EVIL, reason=EVIL)), id="dmarc"),
        pytest.param(AuthResults(iprev=IprevResult("fail", EVIL, EVIL)), id="iprev"),
    ],
)
def test_nothing_that_a_stranger_wrote_gets_out_of_its_place(auth: AuthResults) -> None:
    value = authentication_results(auth, "mx.test", "192.0.2.1")
    assert value.isascii() and "\x00" not in value
    assert all(line.startswith("\t") for line in value.split("\r\n")[1:]) and "\n" not in value.replace("\r\n\t", "")
    assert "dkim" not in [method for method, result in _read(value) if result == "pass"]


def test_received_spf() -> None:
    value = received_spf(FULL.spf_mailfrom, envelope(), "mx.receiver.test")
    assert value.split("\r\n\t") == [
        "fail (mx.receiver.test: example.test and 192.0.2.1: fail)",
        "receiver=mx.receiver.test;",
        "client-ip=192.0.2.1;",
        'envelope-from="ann@example.test";',
        "helo=mail.example.test;",
        "identity=mailfrom;",
        "mechanism=-all",
    ]


def test_received_spf_for_a_null_sender_with_an_evil_name() -> None:
    value = received_spf(SpfResult("permerror", EVIL, "mfrom", EVIL), envelope(helo=EVIL, mail_from=None), "mx.test")
    assert value.isascii() and all(line.startswith("\t") for line in value.split("\r\n")[1:])
    assert 'envelope-from="postmaster@x); dkim=pass ( Bcc: a@b.test \\"\\\\' in value


@pytest.mark.parametrize(
    ("auth", "clause"),
    [
        (AuthResults(spf_mailfrom=SpfResult("temperror", "a.test")), "spf=temperror smtp.mailfrom=a.test"),
        (AuthResults(spf_helo=SpfResult("none", "a.test", "helo")), "spf=none smtp.helo=a.test"),
        (AuthResults(), "dkim=none"),
        (
            AuthResults(dkim=(DkimResult("pass", "a.test", "s", "ed25519-sha256", 256, signature_start="AbC+/1=="),)),
            'dkim=pass (256-bit key) header.d=a.test header.s=s header.a=ed25519-sha256 header.b="AbC+/1=="',
        ),
        (
            AuthResults(dkim=(DkimResult("fail", "a.test", identity="@x.a.test", reason="body was changed"),)),
            "dkim=fail (body was changed) header.d=a.test header.i=@x.a.test",
        ),
        (
            AuthResults(arc=ArcResult("pass", 2, ("one.test", "two.test"))),
            "arc=pass (i=2 sealed by one.test two.test) smtp.remote-ip=192.0.2.1",
        ),
        (AuthResults(arc=ArcResult("permerror", 1, reason="x")), "arc=fail (i=1 x) smtp.remote-ip=192.0.2.1"),
        (AuthResults(arc=ArcResult("temperror", 1)), "arc=none (i=1) smtp.remote-ip=192.0.2.1"),
        (
            AuthResults(dmarc=DmarcResult("fail", "reject", "quarantine", "a.test", "a.test", testing=True)),
            "dmarc=fail (p=reject dis=quarantine) header.from=a.test policy.dmarc=quarantine",
        ),
        (AuthResults(dmarc=DmarcResult("none", from_domain="a.test")), "dmarc=none header.from=a.test"),
        (
            AuthResults(iprev=IprevResult("fail", "a.test", "no way back")),
            "iprev=fail (a.test) policy.iprev=192.0.2.1",
        ),
    ],
)  # fmt: skip
def test_each_method_says_exactly_what_the_rfcs_register(auth: AuthResults, clause: str) -> None:
    told = authentication_results(auth, "mx.test", "192.0.2.1").split(";\r\n\t")
    assert clause in told
    assert _read(";\r\n\t".join(told))


def test_an_address_with_colons_is_quoted() -> None:
    assert authentication_results(AuthResults(iprev=IprevResult("pass", "a.test")), "mx.test", "2001:db8::1").endswith(
        'policy.iprev="2001:db8::1"'
    )
