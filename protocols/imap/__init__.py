"""IMAP4rev1 (RFC 3501) with LITERAL+, UIDPLUS, MOVE, IDLE, CONDSTORE, ESEARCH, SORT, LIST-EXTENDED and friends.

Read in this order: ``wire`` (octets become commands, no I/O), ``scanner`` and ``commands`` (commands become
values), ``view`` (what one session believes about a mailbox), ``session`` (states, and the loop over
commands), ``answers`` (what each command does), ``connection`` and ``server`` (sockets).
"""
