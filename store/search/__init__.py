"""Finding mail by its words: an inverted index in the key-value store, the same on every backend.

Read ``words`` (what a word is), ``document`` (what a mail says), ``coding`` and ``segment`` (how postings are kept),
``state`` (which segments answer), ``indexing`` and ``merging`` (how they come about), then ``lookup`` (a needle in the
index) and ``finding`` (a whole question). ``check`` proves the index. The design, with its costs: docs/search.md.
"""
