"""Spam traps: addresses that only those write to who were never given them."""
