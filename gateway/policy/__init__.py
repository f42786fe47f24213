"""Policy: what an operator wrote about whose mail is delivered, filed, held or refused.

``settings`` is how it is written in the configuration; ``glob`` and ``rule`` are one rule and what it says about a
``sight``, which is a mail as rules see it; ``book`` puts rules, thresholds and block and allow entries together into a
verdict for each recipient; ``trial`` runs the tests that stand beside the rules. docs/policy.md is the manual.
"""
