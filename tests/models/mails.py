"""Tiny mails for the model tests."""

from models.view import MailView, view_of
from store.message.mime import parse_message


def plain(text: str, subject: str = "Hello", headers: str = "") -> bytes:
    head = f"From: a@sender.example\r\nTo: b@example.test\r\nSubject: {subject}\r\n{headers}"
    return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()


def page(markup: str, subject: str = "Hello") -> bytes:
    head = f"From: a@sender.example\r\nTo: b@example.test\r\nSubject: {subject}\r\n"
    return f"{head}MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{markup}\r\n".encode()


def see(octets: bytes) -> MailView:
    return view_of(parse_message(octets))
