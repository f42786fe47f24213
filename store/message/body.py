"""x"""

IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
