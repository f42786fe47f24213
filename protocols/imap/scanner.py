"""Reads the arguments of one command, left to right. RFC 3501 §9. Raises BadCommand, never anything else."""

import re
from collections.abc import Callable
from typing import TypeVar

from protocols.imap import flags, numbers, utf7
from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand, Refused
from protocols.imap.wire import RawCommand
from store.mail.mailboxes import normal_path

T = TypeVar("T")

MAX_ITEMS = 2_000  #: of one list
MAX_NAME_OCTETS = 4_096  #: of a mailbox name or pattern

_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_LIST_MAILBOX = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_NUMBER = re.compile(rb"[0-9]{1,20}")
_SET = re.compile(rb"[0-9:,*]+")
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]+")
_TAG = re.compile(rb"[!#$&',./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]{1,100}")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")


class Scanner:
    """A position in a command. Every method takes what it names and moves on, or raises BadCommand."""

    def __init__(self, command: RawCommand) -> None:
        self._pieces = command.pieces
        self._literals = command.literals
        self._piece = 0
        self._at = 0

    def is_at_end(self) -> bool:
        return self._piece == len(self._pieces) - 1 and self._at == len(self._pieces[-1])

    def end(self) -> None:
        """Nothing may follow. One trailing space is forgiven: several clients send it."""
        if self.next_is(b" "):
            self._at += 1
        if not self.is_at_end():
            raise BadCommand("too many arguments")

    def next_is(self, octets: bytes) -> bool:
        return self._pieces[self._piece].startswith(octets, self._at)

    def take_if(self, octets: bytes) -> bool:
        """Move over ``octets`` if they come next."""
        if self.next_is(octets):
            self._at += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        if not self.take_if(octets):
            raise BadCommand(f"'{octets.decode('ascii')}' is missing")

    def space(self) -> None:
        if not self.take_if(b" "):
            raise BadCommand("an argument is missing")

    def take_word(self, word: bytes) -> bool:
        """Move over ``word`` (upper case) if it comes next, in any case, with a space after it."""
        piece = self._pieces[self._piece]
        if piece[self._at : self._at + len(word) + 1].upper() == word + b" ":
            self._at += len(word)
            return True
        return False

    def next_is_number_set(self) -> bool:
        return _SET.match(self._pieces[self._piece], self._at) is not None

    def tag(self) -> bytes:
        """The tag and the space after it."""
        tag = self._match(_TAG, "a tag")
        self.space()
        return tag

    def word(self) -> bytes:
        """An atom in upper case: a keyword of the protocol."""
        return self._match(_ATOM, "a word").upper()

    def name(self) -> bytes:
        """Letters, digits and dots in upper case: the name of a FETCH item or a section."""
        return self._match(_NAME, "a name").upper()

    def use(self) -> bytes:
        """A special-use attribute in upper case (RFC 6154)."""
        return self._match(_FLAG, "an attribute").upper()

    def base64(self) -> bytes:
        return self._match(_BASE64, "base64")

    def atom(self) -> bytes:
        return self._match(_ATOM, "an atom")

    def number(self, most: int = numbers.LARGEST) -> int:
        value = int(self._match(_NUMBER, "a number"))
        if value > most:
            raise BadCommand("a number is too large")
        return value

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self._is_at_literal():
            return self._take_literal()
        quoted = self._match(_QUOTED, "a string")[1:-1]
        return _ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted

    def literal(self) -> bytes:
        if not self._is_at_literal():
            raise BadCommand("a literal is missing")
        return self._take_literal()

    def astring(self) -> bytes:
        if self._is_at_literal() or self.next_is(b'"'):
            return self.string()
        return self._match(_ASTRING, "a string")

    def nstring(self) -> bytes | None:
        if self._is_at_literal() or self.next_is(b'"'):
            return self.string()
        if self.word() != b"NIL":
            raise BadCommand("a string or NIL is missing")
        return None

    def mailbox(self) -> str:
        """A mailbox's path, INBOX in its one spelling. Raises Refused for a name that is not modified UTF-7."""
        return normal_path(self._name(self.astring()))

    def list_pattern(self) -> str:
        if self._is_at_literal() or self.next_is(b'"'):
            return self._name(self.string())
        return self._name(self._match(_LIST_MAILBOX, "a mailbox name"))

    def numbers(self) -> NumberSet:
        try:
            return numbers.parse(self._match(_SET, "a sequence set"))
        except numbers.BadSet as error:
            raise BadCommand(str(error)) from None

    def flag(self) -> str:
        r"""A flag's keyword; \Recent reads as "" since no client can set it."""
        written = self._match(_FLAG, "a flag")
        if written.upper() == b"\\RECENT":
            return ""
        try:
            return flags.to_keyword(written)
        except flags.BadFlag as error:
            raise BadCommand(str(error)) from None

    def flag_list(self) -> frozenset[str]:
        """Flags in parentheses, or at least one without."""
        if self.next_is(b"("):
            return frozenset(self.list_of(self.flag, may_be_empty=True)) - {""}
        found = {self.flag()}
        while self.take_if(b" "):
            found.add(self.flag())
        return frozenset(found) - {""}

    def list_of(self, item: Callable[[], T], *, may_be_empty: bool = False) -> list[T]:
        """A parenthesised list."""
        self.expect(b"(")
        if may_be_empty and self.take_if(b")"):
            return []
        found = [item()]
        while not self.take_if(b")"):
            self.space()
            found.append(item())
            if len(found) > MAX_ITEMS:
                raise BadCommand("too many items in a list")
        return found

    def _name(self, octets: bytes) -> str:
        if len(octets) > MAX_NAME_OCTETS:
            raise Refused("mailbox name too long", b"CANNOT")
        try:
            return utf7.decode(octets)
        except utf7.BadName as error:
            raise Refused(f"{error}: not modified UTF-7", b"CANNOT") from None

    def _match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        match = pattern.match(self._pieces[self._piece], self._at)
        if match is None:
            raise BadCommand(f"{what} is missing")
        self._at = match.end()
        return match[0]

    def _is_at_literal(self) -> bool:
        return self._piece < len(self._literals) and self._at == len(self._pieces[self._piece])

    def _take_literal(self) -> bytes:
        literal = self._literals[self._piece]
        self._piece += 1
        self._at = 0
        return literal
