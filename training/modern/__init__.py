"""Modern mail composed for this project: legitimate kinds and their malicious twins, in eight languages.

Public corpora hold almost no legitimate mail of today, and a model that has never seen a parcel notice takes every one
for fraud. ``scenarios`` holds the sentences, ``slots`` the names and sums, ``compose`` turns both into mails. Twins are
written in one style and share greetings, brands, layout and footers, so that only what matters tells them apart.
"""
