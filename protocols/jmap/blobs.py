"""Upload and download of octets. RFC 8620 §6.1, §6.2."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from protocols.http.problem import Problem
from protocols.jmap import blob_access, ids
from protocols.jmap.context import Context
from protocols.jmap.errors import request_problem
from protocols.jmap.services import Office
from store.blob.contract import BlobId, BlobMissing, BlobTooLarge, Staged
from store.changes.engine import StoreTxn
from store.mail import uploads
from store.mail.uploads import UploadLimits

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}(; ?charset=[A-Za-z0-9_.:-]{1,40})?")
_ANY_TYPE = "application/octet-stream"

#: A download never runs as a page of ours, whatever type the link says.
_SAFE = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, immutable, max-age=31536000",
}


class Blobs:
    """The two resources."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def upload(self, request: Request) -> Response:
        context = await self._office.context(request)
        _check_account(context, request)
        settings = context.settings
        with self._office.counted(context.account, "maxConcurrentUpload", settings.max_concurrent_uploads):
            staged = await _stage(context, request, settings.max_upload_octets)
            limits = UploadLimits(
                settings.uploads_waiting, settings.uploads_waiting_octets, settings.upload_keep_s * 1000
            )

            def body(txn: StoreTxn) -> None:
                account = txn.account(context.account.id)
                uploads.add(account, txn.keep(staged), staged.size, context.now_ms(), limits)

            try:
                await context.store.write(body)
            except uploads.TooManyUploads as error:
                raise Problem(
                    429, "too many uploads are waiting to be used", headers={"Retry-After": "3600"}
                ) from error
            except BlobMissing as error:  # the same octets were there, and were collected before this linked them
                raise Problem(503, "try again", headers={"Retry-After": "1"}) from error
        answer = {
            "accountId": ids.account_id(context.account.id),
            "blobId": ids.blob_id(staged.id),
            "type": _clean_type(request.headers.get("content-type", _ANY_TYPE)),
            "size": staged.size,
        }
        return Response(msgspec.json.encode(answer), 201, media_type="application/json")

    async def download(self, request: Request) -> Response:
        context = await self._office.context(request)
        _check_account(context, request)
        ref = ids.parse_blob_id(request.path_params["blobId"])
        access = await blob_access.check(context, ref.blob) if ref is not None else None
        if ref is None or access is None:
            raise Problem(404, "there is no such blob")
        headers = {**_SAFE, "content-disposition": disposition(request.path_params["name"])}
        media_type = _clean_type(request.query_params.get("type", _ANY_TYPE))
        try:
            if not ref.part:
                return await _whole(context, ref.blob, headers, media_type)
            octets = await blob_access.load_part(context, ref, access)
        except BlobMissing as error:
            raise Problem(404, "there is no such blob") from error
        if octets is None:
            raise Problem(404, "there is no such part")
        return Response(octets, headers={**headers, "content-type": media_type})


async def _stage(context: Context, request: Request, limit: int) -> Staged:
    """Take the body in as it comes: memory does not grow with it. Raises Problem over ``limit`` octets."""
    try:
        return await context.store.blobs.stage_stream(request.stream(), limit)
    except BlobTooLarge as error:
        raise request_problem("limit", f"at most {limit} octets", limit="maxSizeUpload") from error


async def _whole(context: Context, blob: BlobId, headers: dict[str, str], media_type: str) -> Response:
    size = await context.store.blobs.size(blob)

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in context.store.blobs.open(blob):
            yield chunk

    return StreamingResponse(chunks(), headers={**headers, "content-type": media_type, "content-length": str(size)})


def _check_account(context: Context, request: Request) -> None:
    if request.path_params["accountId"] != ids.account_id(context.account.id):
        raise Problem(404, "there is no such account")


def _clean_type(text: str) -> str:
    return text if _TYPE.fullmatch(text) else _ANY_TYPE


def disposition(name: str) -> str:
    """An attachment with this name, in whatever characters. RFC 6266 §4.3."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name[:200]) or "download"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='', errors='replace')}"
