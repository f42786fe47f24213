"""Reading a backup back: every hash, every count, and whether each mail that a row names is there."""

from collections.abc import Callable, Iterator

from store.schema import keys
from store.upkeep.backup.folder import ID_OCTETS, BackupDamaged, Folder, Manifest, known_ids, records

Tell = Callable[[str, int], None]
_BLOB_OCTETS = 32


def verify(folder: Folder, manifest: Manifest, tell: Tell, *, only: frozenset[str] | None = None) -> None:
    """Raises BackupDamaged, which names the file. ``only`` reads no other files: the rest was verified before."""
    rows = 0
    for segment in manifest.segments:
        if only is None or segment.name in only:
            count = sum(1 for _ in records(folder.segment(segment.name), is_packed=True))
            if count != segment.rows:
                raise BackupDamaged(f"{folder.segment(segment.name)} has {count} rows instead of {segment.rows}")
        elif not folder.segment(segment.name).exists():
            raise BackupDamaged(f"{folder.segment(segment.name)} is missing")
        rows += segment.rows
        tell("rows read back", rows)
    if rows != manifest.rows:
        raise BackupDamaged(f"backup {manifest.id} has {rows} rows instead of {manifest.rows}")
    blobs = 0
    for pack in manifest.packs:
        if only is None or pack.name in only:
            for _ in records(folder.pack(pack.name), is_packed=False):
                pass
        if not folder.pack(pack.name).exists() or not folder.ids(pack.name).exists():
            raise BackupDamaged(f"{folder.pack(pack.name)} or its list of mails is missing")
        if folder.ids(pack.name).stat().st_size != pack.blobs * ID_OCTETS:
            raise BackupDamaged(f"{folder.ids(pack.name)} does not list {pack.blobs} mails")
        blobs += pack.live
        tell("mails read back", blobs)
    if blobs < manifest.blobs:
        raise BackupDamaged(f"backup {manifest.id} has {blobs} mails instead of {manifest.blobs}")


def check_links(folder: Folder, manifest: Manifest) -> int:
    """Every mail that a row links to is in a pack; how many are not. Reads all segments."""
    there = (entry[:_BLOB_OCTETS] for entry, _ in known_ids(folder, [pack.name for pack in manifest.packs]))
    missing = 0
    have = next(there, None)
    last = b""
    for blob in _linked(folder, manifest):
        if blob == last:
            continue
        last = blob
        while have is not None and have < blob:
            have = next(there, None)
        missing += have != blob
    return missing


def _linked(folder: Folder, manifest: Manifest) -> Iterator[bytes]:
    for segment in manifest.segments:
        for _, key, _ in records(folder.segment(segment.name), is_packed=True):
            if key[:1] == keys.LINK:
                yield key[1 : 1 + _BLOB_OCTETS]
