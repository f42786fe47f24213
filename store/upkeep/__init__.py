"""Keeping the store in order: collecting blobs nobody links, and proving its invariants (fsck)."""
