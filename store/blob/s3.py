"""Large blobs in an S3 bucket: AWS, or anything that speaks its protocol (MinIO, SeaweedFS, Ceph, Garage, ...).

``s3://BUCKET/PREFIX?endpoint=https://s3.example:9000&region=eu-central-1``: without an endpoint it is AWS's. The
keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN) or from a file as AWS's
tools write it; never from the URL, which is shown in logs.
"""

import asyncio
import configparser
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from store.blob.objects import Listed, ObjectMissing
from store.blob.places import Bucket
from store.kv.contract import StoreError, StoreUnavailable

_PART_OCTETS = 5 * 1024 * 1024  #: of a multipart upload; S3 wants at least this
_PARTS_AT_ONCE = 2  #: so that an upload holds about 10 MiB
_REQUEST_S, _CONNECT_S, _RETRY_S, _RETRIES = 30, 5, 15, 3
_DEADLINE_S = 300.0  #: of one upload with all its parts
_PROFILE = "default"


class NotAllowed(StoreUnavailable):
    """The bucket does not let us in."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the bucket."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def read_credentials(file: Path | None, bucket: Bucket) -> Credentials | None:
    """From a file as AWS's tools write it, or from the environment; None on AWS's own machines, which have a role.

    Raises StoreError when there are none, and for a file that cannot be used; what is in it is never shown.
    """
    if file is None:
        found = {name: os.environ.get(f"AWS_{name.upper()}", "") for name in _FIELDS}
        if not found["access_key_id"] and bucket.endpoint and not any(name in os.environ for name in _ROLES):
            raise StoreError("S3 needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3_credentials")
        return Credentials(**found) if found["access_key_id"] else None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text("utf-8"))
        section = parser[_PROFILE]
        found = {name: section.get(f"aws_{name}", "") for name in _FIELDS}
    except (OSError, UnicodeDecodeError, KeyError, configparser.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "it has no readable section [default]"
        raise StoreError(f"the credentials in {file} cannot be used: {why}") from None
    if not found["access_key_id"] or not found["secret_access_key"]:
        raise StoreError(f"{file} needs aws_access_key_id and aws_secret_access_key in its section [default]")
    return Credentials(**found)


_ROLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_FIELDS = ("access_key_id", "secret_access_key", "session_token")


class S3Objects:
    """``Objects`` in a bucket. Every request has a time-out and a few retries; then it is StoreUnavailable."""

    def __init__(self, bucket: Bucket, credentials: Credentials | None) -> None:
        config = {"region": bucket.region, "virtual_hosted_style_request": not bucket.endpoint}
        if bucket.endpoint:
            config["endpoint"] = bucket.endpoint
        if credentials is not None:
            config["access_key_id"] = credentials.access_key_id
            config["secret_access_key"] = credentials.secret_access_key
            if credentials.session_token:
                config["session_token"] = credentials.session_token
        self._where = f"s3://{bucket.name}/{bucket.prefix}"
        self._store = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            config=config,  # type: ignore[arg-type] # a plain dict of the same keys
            client_options={
                "timeout": timedelta(seconds=_REQUEST_S),
                "connect_timeout": timedelta(seconds=_CONNECT_S),
                "allow_http": bucket.endpoint.startswith("http:"),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_S)},
        )

    async def put(self, name: str, length: int, pieces: AsyncIterator[bytes]) -> None:
        """In one request, or in parts when it is large. Raises StoreUnavailable; then it is not there."""
        with self._told(name):
            async with asyncio.timeout(_DEADLINE_S):
                if length <= _PART_OCTETS:
                    whole = b"".join([piece async for piece in pieces])
                    await obstore.put_async(self._store, name, whole, use_multipart=False)
                else:
                    await obstore.put_async(
                        self._store, name, pieces, chunk_size=_PART_OCTETS, max_concurrency=_PARTS_AT_ONCE
                    )

    async def get(self, name: str, start: int, end: int) -> bytes:
        """Octets ``start`` to ``end``, fewer at its end. Raises ObjectMissing, StoreUnavailable."""
        with self._told(name):
            try:
                return bytes(await obstore.get_range_async(self._store, name, start=start, end=end))
            except BaseError as error:
                if "416" not in _first_line(error):
                    raise
                return b""  # Range Not Satisfiable: it ends before

    async def delete(self, name: str) -> None:
        with self._told(name), contextlib.suppress(ObjectMissing):
            await obstore.delete_async(self._store, name)

    async def list(self, folder: str) -> AsyncIterator[list[Listed]]:
        with self._told(folder):
            async for page in obstore.list(self._store, folder, chunk_size=1000):
                yield [Listed(each["path"], each["last_modified"].timestamp()) for each in page]

    async def tidy(self, older_than_s: float) -> int:
        """Nothing: parts of broken uploads are for the bucket's own rule (AbortIncompleteMultipartUpload)."""
        return 0

    async def close(self) -> None:
        """Connections close with the last use of the client."""

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        where = f"{self._where}/{name}" if not self._where.endswith("/") else f"{self._where}{name}"
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(f"{self._where}: there is no such bucket; make it first") from error
            raise ObjectMissing(name) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise NotAllowed(
                f"{self._where}: access is refused: check the access key, its secret, and what they are allowed"
            ) from error
        except TimeoutError as error:
            raise StoreUnavailable(f"{where}: no answer in time") from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"{where}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """What went wrong, without the details for programmers that follow it."""
    return str(error).strip().partition("\n")[0].rpartition(" - ")[2].partition(": <?xml")[0][:300]
