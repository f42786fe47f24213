"""Accounts: who has a mailbox, under which addresses, and how they prove who they are."""
