"""Mail as octets and what they mean: RFC 5322, MIME, and IMAP's and JMAP's views of both. Pure, no I/O.

Read in this order: ``model`` (the vocabulary), ``mime.parse_message`` (structure as offsets), ``fields`` and
``parameters`` (what it stands on), ``headers`` (values decoded: ``words``, ``addresses``, ``dates``), ``body``
(transfer and charset decoding, which parts are shown), ``sections`` and ``imap_structure`` (BODY[...], ENVELOPE,
BODYSTRUCTURE), ``preview``. Nothing here raises on bad mail; it notes ``Defect`` and goes on, within ``Limits``.
"""
