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


def unavailable(reception: str) -> Reply:
    return Reply(451, "4.3.0", f"temporary failure, please try again later ({reception})")


RECIPIENT_UNKNOWN = Reply(550, "5.1.1", "no such user here")
RELAY_DENIED = Reply(550, "5.7.1", "we do not relay for that domain")
LOOKUP_FAILED = Reply(451, "4.3.0", "temporary failure, please try again later")
