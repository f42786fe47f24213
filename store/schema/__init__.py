"""How things lie in the key-value store: keys (drawn in keys.py), row encoding, fsck."""
