"""RFC 8620 §6: octets in, octets out, for their owners only."""

import pytest

from protocols.jmap.blobs import disposition
from protocols.jmap.settings import JmapSettings
from tests.support.jmap_server import jmap_server
from tests.support.mail_store import Letter, assert_sound, deliver, new_account

MIXED = (
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A9\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n"
)


@pytest.mark.parametrize("size", [0, 10, 300_000], ids=["empty", "small", "large"])
async def test_what_goes_up_comes_down(size: int) -> None:
    octets = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with jmap_server() as jmap:
        response = await jmap.client.post("/jmap/upload/A1", content=octets, headers={"Content-Type": "image/png"})
        assert response.status_code == 201
        up = response.json()
        assert (up["accountId"], up["type"], up["size"]) == ("A1", "image/png", size)
        down = await jmap.client.get(f"/jmap/download/A1/{up['blobId']}/pic.png?type=image/png")
        assert (down.status_code, down.content) == (200, octets)
        assert down.headers["content-length"] == str(size)
        await assert_sound(jmap.store)


async def test_a_download_never_runs_as_a_page() -> None:
    async with jmap_server() as jmap:
        blob = (await jmap.client.post("/jmap/upload/A1", content=b"<script>")).json()["blobId"]
        down = await jmap.client.get(f"/jmap/download/A1/{blob}/page.html?type=text/html")
    assert down.headers["content-disposition"].startswith("attachment; ")
    assert down.headers["x-content-type-options"] == "nosniff"
    assert down.headers["content-security-policy"].startswith("sandbox")
    assert down.headers["content-type"] == "text/html"
    assert "immutable" in down.headers["cache-control"]


@pytest.mark.parametrize(
    "kind", ["x", "text/html\r\nX-Evil: 1", "a/b; charset=<", ""], ids=["bare", "crlf", "charset", "empty"]
)
async def test_a_type_that_is_none_becomes_octets(kind: str) -> None:
    async with jmap_server() as jmap:
        blob = (await jmap.client.post("/jmap/upload/A1", content=b"x")).json()["blobId"]
        down = await jmap.client.get(f"/jmap/download/A1/{blob}/x", params={"type": kind})
    assert down.headers["content-type"] == "application/octet-stream"
    assert "x-evil" not in down.headers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf"),
        ('a"\r\nb', "attachment; filename=\"a___b\"; filename*=UTF-8''a%22%0D%0Ab"),
        ("Ü.png", "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%9C.png"),
        ("", "attachment; filename=\"download\"; filename*=UTF-8''"),
        ("\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_names_of_downloads(name: str, expected: str) -> None:
    assert disposition(name) == expected


@pytest.mark.parametrize(("part", "octets"), [("1", "aé".encode()), ("2", b"Hello")])
@pytest.mark.parametrize("uploaded", [False, True], ids=["mail", "upload"])
async def test_parts_are_decoded(part: str, octets: bytes, uploaded: bool) -> None:
    async with jmap_server() as jmap:
        if uploaded:
            blob = (await jmap.client.post("/jmap/upload/A1", content=MIXED)).json()["blobId"]
        else:
            blob = f"B{(await deliver(jmap.store, jmap.account, MIXED)).blob.hex()}"
        assert (await jmap.client.get(f"/jmap/download/A1/{blob}-{part}/x")).content == octets
        for nothing in ("3", "1_1", "0"):
            assert (await jmap.client.get(f"/jmap/download/A1/{blob}-{nothing}/x")).status_code == 404


async def test_only_owners_read_and_nobody_learns_what_exists() -> None:
    async with jmap_server() as jmap:
        eve = await new_account(jmap.store, "eve@b.example")
        theirs = await deliver(jmap.store, eve, Letter("Secret").octets())
        blob = f"B{theirs.blob.hex()}"
        refused = await jmap.client.get(f"/jmap/download/A1/{blob}/x")
        missing = await jmap.client.get(f"/jmap/download/A1/B{'0' * 64}/x")
        assert (refused.status_code, refused.text) == (missing.status_code, missing.text)
        for path in (f"/jmap/download/A2/{blob}/x", "/jmap/download/A1/nonsense/x", f"/jmap/download/A1/{blob}-1/x"):
            assert (await jmap.client.get(path)).status_code == 404
        assert (await jmap.client.post("/jmap/upload/A2", content=b"x")).status_code == 404
        result = await jmap.call("Email/import", emails={"a": {"blobId": blob, "mailboxIds": {"M1": True}}})
        assert result["notCreated"]["a"]["type"] == "invalidProperties"
        assert (await jmap.call("Email/parse", blobIds=[blob]))["notFound"] == [blob]
        assert (await jmap.call("Email/get", ids=[f"E{theirs.id + 100}"]))["list"] == []


async def test_limits_of_uploads() -> None:
    settings = JmapSettings(max_upload_octets=100, uploads_waiting=2)
    async with jmap_server(settings) as jmap:
        large = await jmap.client.post("/jmap/upload/A1", content=b"x" * 101)
        assert (large.status_code, large.json()["limit"]) == (400, "maxSizeUpload")
        for content in (b"1", b"2"):
            assert (await jmap.client.post("/jmap/upload/A1", content=content)).status_code == 201
        waiting = await jmap.client.post("/jmap/upload/A1", content=b"3")
        assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "3600")
