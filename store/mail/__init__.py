"""Mailboxes and emails: plain functions over an account's transaction.

``model`` has the rows; ``mailboxes`` and ``emails`` change them; ``reading`` answers questions.
"""
