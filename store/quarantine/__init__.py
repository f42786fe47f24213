"""Held mail: rows and their order. What holding and releasing mean is decided in gateway/quarantine."""
