"""Fitting: the word model, its calibration, and the language model. scikit-learn and torch are imported only here."""
