"""What this server says in its dialogue, beside what the gateway answers. RFC 5321 §4.2, RFC 3463."""

from gateway.reply import Reply
from protocols.smtp.data import DataFault

NEED_HELLO = Reply(503, "5.5.1", "send EHLO first")
NEED_MAIL = Reply(503, "5.5.1", "send MAIL first")
NEED_RCPT = Reply(503, "5.5.1", "send RCPT first")
NESTED_MAIL = Reply(503, "5.5.1", "a mail is already begun; RSET starts over")
OK = Reply(250, "2.0.0", "ok")
TOO_BIG = Reply(552, "5.3.4", "message too big")
BARE_LINE_END = Reply(554, "5.6.0", "bare CR or LF in the message; lines must end in CRLF")
CROWDED = Reply(452, "4.3.1", "too much mail is being received, please try again later")
TOO_MANY_HOPS = Reply(554, "5.4.6", "too many hops, this mail is going in circles")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "too many recipients")
TOO_MANY_MAILS = Reply(421, "4.7.0", "too many messages on this connection")
BUSY = Reply(421, "4.3.2", "too many connections, please try again later")
TOO_SLOW = Reply(421, "4.4.2", "timed out receiving the message")
OUR_FAULT = Reply(451, "4.3.0", "temporary failure, please try again later")
SHUTTING_DOWN = Reply(421, "4.3.2", "shutting down, please try again later")

#: What is said after DATA about a mail that could not be taken.
FAULTS = {
    DataFault.TOO_BIG: TOO_BIG,
    DataFault.BARE_LINE_END: BARE_LINE_END,
    DataFault.CROWDED: CROWDED,
}
