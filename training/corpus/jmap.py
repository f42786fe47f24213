"""Mails of a mailbox on a JMAP server: Email/query, Email/get for the blobs, and their download. RFC 8620, RFC 8621."""

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.corpus.readers import MAIL_OCTETS, UnreadableCorpus
from training.corpus.sample import Label, Mail

MAILS = 20_000  #: read of one mailbox, the newest
SECONDS = 60.0  #: for one answer of the server
_PAGE = 100
_ANSWER_OCTETS = 8 * 1024 * 1024
_CORE, _MAIL = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class JmapAccount:
    """Where to sign in with HTTP Basic: https, except to this machine."""

    url: str  #: of the server, such as https://mail.example
    user: str
    password: str
    trust: ssl.SSLContext | None = None  #: None = the system's certificate authorities


def read_jmap(account: JmapAccount, mailbox: str, label: Label, most: int = MAILS) -> Iterator[Mail]:
    """The newest mails of the mailbox with this name or role. Raises UnreadableCorpus."""
    client = _Client(account)
    wanted = client.mailbox(mailbox)
    for position in range(0, most, _PAGE):
        page = client.page(wanted, position, min(_PAGE, most - position))
        for email in page:
            if email.get("size", 0) <= MAIL_OCTETS and (octets := client.download(str(email["blobId"]))):
                yield Mail(octets, label, f"jmap:{mailbox}")
        if len(page) < _PAGE:
            if not position and not page:
                raise UnreadableCorpus(f"the mailbox {mailbox!r} at {account.url} holds no mail")
            return


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: the password would go with them."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Client:
    """A session with a server. Every address it uses is on the host that was asked for."""

    def __init__(self, account: JmapAccount) -> None:
        self._at = urllib.parse.urlsplit(account.url)
        if self._at.scheme != "https" and not (self._at.scheme == "http" and self._at.hostname in _LOOPBACK):
            raise UnreadableCorpus(f"a password is not sent to {account.url} without TLS: use https")
        token = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        self._open = urllib.request.build_opener(urllib.request.HTTPSHandler(context=account.trust), _Stay()).open
        session = self._json(urllib.parse.urljoin(account.url, "/.well-known/jmap"))
        try:
            self._api, self._blobs = str(session["apiUrl"]), str(session["downloadUrl"])
            self._account = str(session["primaryAccounts"][_MAIL])
        except (KeyError, TypeError) as error:
            raise UnreadableCorpus(f"{account.url} gave {account.user} no mail account") from error

    def mailbox(self, name: str) -> str:
        """The id of the mailbox with this name or role."""
        found = self._call("Mailbox/get", {"ids": None, "properties": ["name", "role"]}).get("list", [])
        for key in ("role", "name"):
            for one in found:
                if str(one.get(key) or "").lower() == name.lower():
                    return str(one["id"])
        raise UnreadableCorpus(f"{self._at.netloc} has no mailbox {name!r}; it has: {_names(found)}")

    def page(self, mailbox: str, position: int, limit: int) -> list[dict[str, Any]]:
        """Blob and size of some mails, newest first."""
        newest = [{"property": "receivedAt", "isAscending": False}]
        query = {"filter": {"inMailbox": mailbox}, "sort": newest, "position": position, "limit": limit}
        ids = self._call("Email/query", query).get("ids", [])
        if not ids:
            return []
        return list(self._call("Email/get", {"ids": ids, "properties": ["blobId", "size"]}).get("list", []))

    def download(self, blob: str) -> bytes:
        """The octets of a mail; none when it is larger than it said."""
        values = {"accountId": self._account, "blobId": blob, "name": "mail.eml", "type": "message/rfc822"}
        url = self._blobs
        for key, value in values.items():
            url = url.replace(f"{{{key}}}", urllib.parse.quote(value, safe=""))
        octets = self._read(url, None, MAIL_OCTETS)
        return octets if len(octets) <= MAIL_OCTETS else b""

    def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        call = [method, {"accountId": self._account, **arguments}, "0"]
        answer = self._json(self._api, {"using": [_CORE, _MAIL], "methodCalls": [call]})
        try:
            name, result, _ = answer["methodResponses"][0]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnreadableCorpus(f"{self._at.netloc} answered {method} with something else") from error
        if name != method or not isinstance(result, dict):
            raise UnreadableCorpus(f"{self._at.netloc} refused {method}: {json.dumps(result)[:200]}")
        return result

    def _json(self, url: str, body: dict[str, Any] | None = None) -> Any:
        octets = self._read(url, body, _ANSWER_OCTETS)
        try:
            return json.loads(octets)
        except ValueError as error:
            raise UnreadableCorpus(f"{self._at.netloc} does not speak JMAP at {url}") from error

    def _read(self, url: str, body: dict[str, Any] | None, most: int) -> bytes:
        at = urllib.parse.urlsplit(url)
        if (at.scheme, at.netloc) != (self._at.scheme, self._at.netloc):
            raise UnreadableCorpus(f"{self._at.netloc} sends its clients to {at.netloc}: give that address instead")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self._headers)  # noqa: S310  # http or https, checked above
        try:
            with self._open(request, timeout=SECONDS) as answer:
                return bytes(answer.read(most + 1))
        except urllib.error.HTTPError as error:
            said = "wrong user or password" if error.code == 401 else f"{error.code} {error.reason}"
            raise UnreadableCorpus(f"{self._at.netloc}: {said}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UnreadableCorpus(f"{self._at.netloc}: {error}") from error


def _names(found: list[Any]) -> str:
    return ", ".join(str(one.get("name")) for one in found[:20]) or "none"
