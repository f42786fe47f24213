"""The composition root: builds everything from the configuration, and is imported by nobody.

``services`` builds what judges and keeps, ``worker`` adds the protocols and runs them, ``supervisor`` keeps
N workers alive, ``command`` is the ``mailward`` program.
"""
