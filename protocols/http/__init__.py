"""HTTP for the console, JMAP and metrics: one server, one app around all routes, one way to sign in.

Read in this order: ``settings``, ``server`` (sockets and connections), ``app`` (limits, headers, errors),
``problem`` (RFC 9457 answers), ``auth`` (RFC 7617). RFC 9110, RFC 9112.
"""
