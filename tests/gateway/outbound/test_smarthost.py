"""Handing a mail to a real next host: with a login, under TLS that is checked, and what its words become."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from gateway.envelope import RelayTarget
from gateway.outbound.smarthost import Handed, SmartHost, hand_over
from tests.gateway.outbound.sink import closed_port
from tests.support.next_hop import NextHop, next_hop

MAIL = b"From: ana@example.com\r\nSubject: Lunch\r\n\r\nAt noon.\r\n..\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def secured(authority: trustme.CA) -> Iterator[NextHop]:
    """Wants a login, and offers STARTTLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with next_hop(context, ("mailward", "secret")) as hop:
        yield hop


@pytest.fixture(scope="module")
def plain() -> Iterator[NextHop]:
    with next_hop() as hop:
        yield hop


@pytest.fixture(autouse=True)
def _fresh(secured: NextHop, plain: NextHop) -> None:
    secured.reset()
    plain.reset()


def host(hop: NextHop, **changes: object) -> SmartHost:
    made = SmartHost(RelayTarget("127.0.0.1", hop.port), "mx.example.com", relay_s=10.0)
    return replace(made, **changes)  # type: ignore[arg-type]


async def give(host: SmartHost, *to: str, sender: str = "ana@example.com", octets: bytes = MAIL) -> Handed:
    return await hand_over(host, sender, to or ("x@far.example",), octets)


async def test_a_mail_arrives_as_it_is(plain: NextHop) -> None:
    assert (await give(host(plain), "x@far.example", "y@far.example", sender="")).is_taken
    (taken,) = plain.mails
    assert (taken.mail_from, taken.recipients, taken.octets) == ("", ["x@far.example", "y@far.example"], MAIL)


async def test_login_goes_over_checked_tls(secured: NextHop, ca_file: Path) -> None:
    trusting = host(secured, tls="starttls", user="mailward", password="secret", ca_file=ca_file)
    assert (await give(trusting)).is_taken
    assert secured.mails[0].login == "mailward"
    wrong = await give(replace(trusting, password="other"))
    assert wrong == Handed(451, "the next host does not know us; the administrator was told")
    assert len(secured.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(secured: NextHop) -> None:
    refused = await give(host(secured, tls="starttls", user="mailward", password="secret"))
    assert refused.code == 451 and secured.mails == []


async def test_a_host_without_tls_gets_no_mail_that_wants_it(plain: NextHop) -> None:
    refused = await give(host(plain, tls="starttls"))
    assert refused.code in {451, 550} and plain.mails == []


@pytest.mark.parametrize("tls", ["try", "none"])
async def test_mail_that_does_not_want_tls_goes_in_clear(plain: NextHop, tls: str) -> None:
    assert (await give(host(plain, tls=tls))).is_taken


async def test_nobody_there_is_for_a_while() -> None:
    gone = SmartHost(RelayTarget("127.0.0.1", closed_port()), "mx.example.com", relay_s=5.0)
    assert (await give(gone)).code == 451


@pytest.mark.parametrize(
    ("answers", "code", "text"),
    [
        ({"x@a.example": "550 5.1.1 nobody"}, 550, "not taken: x@a.example (550 5.1.1 nobody); nobody got it"),
        ({"*": "452 4.2.2 full"}, 451, "not taken: x@a.example (452 4.2.2 full); y@a.example (452 4.2.2 full)"),
        ({"x@a.example": "450 later", "y@a.example": "550 no"}, 451, "x@a.example (450 later); y@a.example (550 no)"),
    ],
    ids=["one-for-good", "all-for-a-while", "one-each"],
)
async def test_recipients_refused_are_named(plain: NextHop, answers: dict[str, str], code: int, text: str) -> None:
    plain.at_rcpt.update(answers)
    handed = await give(host(plain), "x@a.example", "y@a.example")
    assert handed.code == code and text in handed.text
    assert {each.address for each in handed.refused} <= {"x@a.example", "y@a.example"} and plain.mails == []


async def test_many_refusals_are_counted(plain: NextHop) -> None:
    plain.at_rcpt["*"] = "550 no"
    handed = await give(host(plain), *(f"x{number}@a.example" for number in range(9)))
    assert handed.text.endswith("and 6 more") and len(handed.refused) == 9


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ({"at_mail": "550 5.7.1 you may not"}, 550),
        ({"at_mail": "421 busy"}, 451),
        ({"at_data": "452 full"}, 451),
        ({"at_data": "554 spam\r\n250 ok"}, 550),
        ({"hangs_up": True}, 451),
    ],
)
async def test_the_hosts_word_decides(plain: NextHop, behaviour: dict[str, object], code: int) -> None:
    for name, value in behaviour.items():
        setattr(plain, name, value)
    handed = await give(host(plain))
    assert (handed.code, plain.mails) == (code, [])
    assert handed.text.isprintable()


async def test_wide_addresses_need_a_host_that_knows_them(plain: NextHop) -> None:
    assert (await give(host(plain), "añá@far.example")).is_taken
    assert plain.mails[0].recipients == ["añá@far.example"]
