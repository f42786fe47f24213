"""Where large blobs are kept, as a URL names it.

======================  =======================================================================
``""``                  in the key-value store
``files:PATH``          a folder, shared by all who share the key-value store
``s3://BUCKET/PREFIX``  a bucket, ``?endpoint=https://HOST:PORT&region=REGION`` may follow
======================  =======================================================================
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

_FORMS = 'write "files:PATH" or "s3://BUCKET/PREFIX?endpoint=https://HOST:PORT", or nothing for the key-value store'


def check_blobs_url(url: str) -> str:
    """Its scheme: files or s3. Raises ValueError, which says what can be written."""
    scheme, _, rest = url.partition(":")
    if scheme == "files" and rest:
        return scheme
    if scheme == "s3":
        read_bucket(url)
        return scheme
    raise ValueError(_FORMS)


def folder_of(url: str) -> Path | None:
    """The folder a URL names; None when it names none."""
    return Path(url.partition(":")[2]) if check_blobs_url(url) == "files" else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where in which bucket."""

    name: str
    prefix: str = ""
    endpoint: str = ""  #: empty is AWS's
    region: str = "us-east-1"


def read_bucket(url: str) -> Bucket:
    """Raises ValueError that says what is wrong with the URL."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = set(given) - {"endpoint", "region"}
    if parts.username or parts.password or unknown & {"access_key_id", "secret_access_key", "key", "secret"}:
        raise ValueError("keys do not belong in the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a file")
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; endpoint and region can be given")
    if parts.scheme != "s3" or not parts.netloc or parts.fragment:
        raise ValueError('write "s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION"')
    if (endpoint := given.get("endpoint", "")) and urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ValueError("the endpoint begins with https:// (or http:// within your own network)")
    return Bucket(parts.netloc, parts.path.strip("/"), endpoint, given.get("region") or "us-east-1")
