"""Transactions over the whole store, one change counter per account, and the announcements that follow a commit.

Read in this order: ``engine`` (Store, StoreTxn, AccountTxn), ``log`` (what changed since), ``announce``.
"""
