"""How good a model is, on mail it has never seen."""
