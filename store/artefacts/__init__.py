"""Models as the store keeps them: which there are, and which one judges."""
