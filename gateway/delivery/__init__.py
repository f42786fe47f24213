"""Delivery into the store's own mailboxes."""
