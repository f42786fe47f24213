"""Replies to an SMTP client: code, enhanced code, text. Our fault is 4xx, theirs is 5xx."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """RFC 5321 §4.2 with RFC 2034 enhanced status code."""

    code: int
    enhanced: str  #: "2.0.0"; "" where RFC 2034 wants none
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}" if self.enhanced else f"{self.code} {self.text}"


def accepted(reception: str) -> Reply:
    return Reply(250, "2.0.0", f"accepted {reception}")


def refused(category: str, reception: str) -> Reply:
    """Says what and the id to ask about, and nothing that helps to get past the filter."""
    return Reply(550, "5.7.1", f"refused as {category} ({reception})")


def deferred(reception: str) -> Reply:
    return Reply(451, "4.7.1", f"could not be judged now, please try again later ({reception})")


def come_again(reception: str) -> Reply:
    return Reply(451, "4.7.1", f"greylisted, please try again in a few minutes ({reception})")


def unavailable(reception: str) -> Reply:
    return Reply(451, "4.3.0", f"temporary failure, please try again later ({reception})")


def not_proven(reception: str) -> Reply:
    return Reply(550, "5.7.1", f"this group takes mail only from senders that prove who they are ({reception})")


MAILBOX_FULL = Reply(452, "4.2.2", "the mailbox is full, please try again later")
MAILBOX_FULL_FOR_GOOD = Reply(552, "5.2.2", "the mailbox is full")
DOMAIN_DISABLED = Reply(550, "5.2.1", "this domain takes no mail at present")
NOT_FOR_YOU = Reply(550, "5.7.1", "this group does not take mail from you")
TOO_MANY_TARGETS = Reply(451, "4.3.5", "this address leads to too many others, please try again later")
NO_WAY_OUT = Reply(451, "4.3.5", "this address leads to another host and none is configured, please try again later")
RECIPIENT_UNKNOWN = Reply(550, "5.1.1", "no such user here")
RELAY_DENIED = Reply(550, "5.7.1", "we do not relay for that domain")
LOOKUP_FAILED = Reply(451, "4.3.0", "temporary failure, please try again later")
