"""Mailboxes and emails: plain functions over an account's transaction.

``model`` has the rows; ``parsing`` makes them from octets; ``mailboxes``, ``emails`` and ``uploads`` change them;
``reading`` answers from indexes, ``filters`` and ``query`` find and sort, ``searchable`` has a mail's words.
"""
