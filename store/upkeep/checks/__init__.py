"""What each kind of row must be, and what must be there because of it. Listed in ``store.upkeep.fsck``."""
