"""The way out: one host that takes mail for everybody else, how it is spoken to, and a mail handed to it at once.

There is no queue for what people send: the relay's answer is our answer, so nobody is told 250 for a mail that nobody
has. All recipients are named before any octet goes; when one is refused, nobody gets the mail and the person reads why.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiosmtplib
import structlog

from gateway.envelope import RelayTarget

log = structlog.get_logger()

_SHOWN = 3  #: refused recipients that a reply names
_ANSWER = 120  #: characters of the relay's words


@dataclass(frozen=True, slots=True)
class SmartHost:
    """Where mail for other domains goes, and how."""

    target: RelayTarget
    hostname: str  #: ours, for EHLO
    tls: str = "try"  #: "try", "starttls", "implicit", "none"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    relay_s: float = 120.0  #: for everything together

    @property
    def name(self) -> str:
        return f"{self.target.host}:{self.target.port}"

    async def connect(self) -> aiosmtplib.SMTP:
        """A connection with TLS and login as configured. Raises aiosmtplib.SMTPException, OSError."""
        start_tls: bool | None = {"try": None, "starttls": True}.get(self.tls, False)
        client = self._client(start_tls)
        try:
            await client.connect()
        except (ssl.SSLError, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPResponseException) as error:
            client.close()
            if self.tls != "try" or isinstance(error, aiosmtplib.SMTPConnectResponseError):
                raise
            log.info("smarthost.tls.failed", target=self.name, error=repr(error))  # rather in clear (RFC 7435)
            client = self._client(False)
            await client.connect()
        return client

    def _client(self, start_tls: bool | None) -> aiosmtplib.SMTP:
        is_checked = self.tls in {"starttls", "implicit"}
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None) if is_checked else None
        return aiosmtplib.SMTP(
            hostname=self.target.host,
            port=self.target.port,
            local_hostname=self.hostname,
            timeout=self.relay_s,
            start_tls=start_tls,
            use_tls=self.tls == "implicit",
            username=self.user or None,
            password=self.password or None,
            validate_certs=is_checked,
            **({"tls_context": context} if context is not None else {}),  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the relay did not take."""

    address: str
    code: int
    text: str

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a mail at the relay: all of its recipients have it, or none."""

    code: int  #: 250, or ours to the client: 4xx for a while, 5xx for good
    text: str  #: for a person
    refused: tuple[Refusal, ...] = ()

    @property
    def is_taken(self) -> bool:
        return self.code == 250


async def hand_over(host: SmartHost, mail_from: str, recipients: Sequence[str], octets: bytes) -> Handed:
    """Give a mail to the relay and wait for its word. Never raises for what the relay does."""
    client: aiosmtplib.SMTP | None = None
    try:
        async with asyncio.timeout(host.relay_s):
            client = await host.connect()
            return await _converse(client, mail_from, recipients, octets)
    except TimeoutError:
        return Handed(451, f"the next host did not answer within {host.relay_s:.0f} seconds; please send again")
    except aiosmtplib.SMTPAuthenticationError as error:
        log.error("smarthost.login.failed", target=host.name, error=str(error))
        return Handed(451, "the next host does not know us; the administrator was told")  # our fault, not the writer's
    except aiosmtplib.SMTPResponseException as error:
        return _answered(error.code, f"the next host says: {error.code} {plain(error.message)}")
    except aiosmtplib.SMTPNotSupported as error:
        return Handed(550, f"the next host cannot take such mail: {plain(str(error))}")  # RFC 6531 §3.5
    except (aiosmtplib.SMTPException, OSError) as error:
        log.warning("smarthost.unreachable", target=host.name, error=repr(error))
        return Handed(451, "the next host cannot be reached or hung up; please send again later")
    except ValueError as error:
        return Handed(550, f"cannot be put on the wire: {plain(str(error))}")
    finally:
        if client is not None:
            client.close()


async def _converse(client: aiosmtplib.SMTP, mail_from: str, recipients: Sequence[str], octets: bytes) -> Handed:
    options = options_for(client, mail_from, recipients, octets)
    encoding = "utf-8" if "SMTPUTF8" in options else "ascii"
    await client.mail(mail_from, options=options, encoding=encoding)
    refused: list[Refusal] = []
    for address in recipients:
        try:
            await client.rcpt(address, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(Refusal(address, error.code, plain(error.message)))
    if refused:
        await client.rset()
        return _none_of(refused, len(recipients))
    answer = await client.data(octets)
    return Handed(250, plain(answer.message))


def options_for(client: aiosmtplib.SMTP, mail_from: str, recipients: Sequence[str], octets: bytes) -> list[str]:
    """Parameters of MAIL. Raises SMTPNotSupported for addresses that the next host could not understand."""
    options = []
    if not octets.isascii() and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    is_wide = not "".join((mail_from, *recipients)).isascii()
    header = octets[: octets.find(b"\r\n\r\n") + 1 or None]
    if is_wide and not client.supports_extension("smtputf8"):
        raise aiosmtplib.SMTPNotSupported("SMTPUTF8 is not supported by this server")
    if is_wide or (not header.isascii() and client.supports_extension("smtputf8")):
        options.append("SMTPUTF8")
    return options


def _none_of(refused: Sequence[Refusal], asked: int) -> Handed:
    """Temporary when any refusal is: then the same mail may go as it is, later."""
    code = 550 if all(each.is_permanent for each in refused) else 451
    named = "; ".join(f"{each.address} ({each.code} {each.text})" for each in refused[:_SHOWN])
    more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    nobody = "" if asked == len(refused) else "; nobody got it"
    return Handed(code, f"not taken: {named}{more}{nobody}", tuple(refused))


def _answered(code: int, text: str) -> Handed:
    return Handed(550 if 500 <= code < 600 else 451, text)


def plain(words: str) -> str:
    """A host's words as they can stand in a reply of ours: one line of ASCII."""
    return "".join(c if " " <= c <= "~" else " " for c in words[:_ANSWER]).strip()
