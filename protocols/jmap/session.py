"""The session object: who one is, what the server can do, and where. RFC 8620 §2, RFC 8621 §1.3."""

import hashlib
from typing import Any

import msgspec

from protocols.jmap import ids
from protocols.jmap.context import CORE, MAIL, QUOTA
from protocols.jmap.email_filter import SORT_OPTIONS
from protocols.jmap.settings import JmapSettings
from store.accounts.account import Account
from store.mail.mailboxes import MAX_DEPTH, MAX_NAME_OCTETS

API_PATH = "/jmap/api"
UPLOAD_PATH = "/jmap/upload/{accountId}"
DOWNLOAD_PATH = "/jmap/download/{accountId}/{blobId}/{name}"
EVENTS_PATH = "/jmap/eventsource"


def session_object(account: Account, settings: JmapSettings, base_url: str) -> dict[str, Any]:
    """``base_url`` has scheme and host, no final slash."""
    number = ids.account_id(account.id)
    return {
        "capabilities": {CORE: _core_capability(settings), MAIL: {}, QUOTA: {}},
        "accounts": {
            number: {
                "name": account.address,
                "isPersonal": True,
                "isReadOnly": False,
                "accountCapabilities": {CORE: {}, MAIL: _mail_capability(settings), QUOTA: {}},
            }
        },
        "primaryAccounts": {CORE: number, MAIL: number, QUOTA: number},
        "username": account.address,
        "apiUrl": base_url + API_PATH,
        "downloadUrl": f"{base_url}{DOWNLOAD_PATH}?type={{type}}",
        "uploadUrl": base_url + UPLOAD_PATH,
        "eventSourceUrl": f"{base_url}{EVENTS_PATH}?types={{types}}&closeafter={{closeafter}}&ping={{ping}}",
        "state": session_state(account, settings),
    }


def session_state(account: Account, settings: JmapSettings) -> str:
    """Changes when the session object does."""
    told = msgspec.json.encode((account.id, account.address, _core_capability(settings), _mail_capability(settings)))
    return hashlib.blake2b(told, digest_size=8).hexdigest()


def _core_capability(settings: JmapSettings) -> dict[str, Any]:
    return {
        "maxSizeUpload": settings.max_upload_octets,
        "maxConcurrentUpload": settings.max_concurrent_uploads,
        "maxSizeRequest": settings.max_request_octets,
        "maxConcurrentRequests": settings.max_concurrent_requests,
        "maxCallsInRequest": settings.max_calls,
        "maxObjectsInGet": settings.max_get,
        "maxObjectsInSet": settings.max_set,
        "collationAlgorithms": [],
    }


def _mail_capability(settings: JmapSettings) -> dict[str, Any]:
    return {
        "maxMailboxesPerEmail": None,
        "maxMailboxDepth": MAX_DEPTH,
        "maxSizeMailboxName": MAX_NAME_OCTETS,
        "maxSizeAttachmentsPerEmail": settings.max_upload_octets,
        "emailQuerySortOptions": list(SORT_OPTIONS),
        "mayCreateTopLevelMailbox": True,
    }
