"""Copies of the whole store in a folder: consistent, incremental, verified by themselves, and the way back.

``manifests/ID.json``      one backup: which segments and packs it is made of, and the sum of all that
``segments/SHA256.zst``    rows in key order; cut where the keys say so, so that what did not change is shared
``blobs/SHA256.pack``      octets of mails as they are kept (compressed, encrypted if the store encrypts), each once
``blobs/SHA256.ids``       which mails are in the pack, and under what row
"""
