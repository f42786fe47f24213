"""What may be deleted: legal holds, retention rules, and ``may_delete``, the one question every deleter asks.

Read in this order: ``rows`` (holds and rules), ``policy`` (the answer). What is refused is kept back by its owner:
mail in ``store/mail/kept``, held mail in ``store/quarantine``. Runs that delete by age are in ``store/upkeep``.
"""
