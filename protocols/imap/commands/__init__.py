"""The commands of IMAP as values, a file for each group. ``table`` reads a raw command into one."""
