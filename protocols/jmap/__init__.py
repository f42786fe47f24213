"""JMAP core (RFC 8620) and mail (RFC 8621) over the store.

Read in this order: ``routes`` (the HTTP side), ``api`` (one request: calls in, responses out), ``references``,
``methods`` (the table), then one file or two for each object type: ``mailbox``, ``email_*``, ``thread``,
``identity``. Blobs and the event source are HTTP resources of their own: ``blobs``, ``eventsource``.

States are the account's modseq as text. Ids are a letter and a number: A account, M mailbox, E email, T thread;
B and the octets' digest name a blob, with "-" and the section number one part of it.
"""
