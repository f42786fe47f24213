"""The SMTP edge, on aiosmtpd. RFC 5321, 1870, 1652, 2034, 2920, 3207, 6531.

``paths`` reads MAIL and RCPT arguments, ``data`` reads what follows DATA (both without I/O),
``peers`` who is at the other end, ``session`` is one connection, ``server`` listens and counts connections.
"""
