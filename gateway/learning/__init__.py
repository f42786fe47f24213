"""Learning from what people and traps say, at once: labels, and likeness to labelled mail."""
