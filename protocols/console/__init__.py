"""The console: what an administrator or a mailbox owner sees in a browser.

Server-rendered, no build step, no inline script or style, nothing fetched from anywhere else. Read in this
order: ``services`` (what it needs), ``routes`` (what it answers), ``guard`` (who may ask), ``access`` (what one
may see), ``listing`` and ``queue``, ``evidence`` and ``message``, ``preview`` (the hostile part), ``acts``.

Every field of a mail is hostile: templates escape all, and ``text.shown`` makes control characters visible.
"""
