"""Labelled mail from disk: readers for the usual mailbox shapes, duplicates out, a fixed split."""
