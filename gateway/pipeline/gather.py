"""Gathering the facts of one mail: parse once, look once, authenticate; then everything is known."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from gateway.content.facts import ContentFacts
from gateway.content.gather import gather as gather_content
from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts, Protected
from gateway.pipeline.run import beside
from gateway.reputation.facts import SenderHistory
from models.view import MailView, view_of
from store.message.mime import parse_message
from store.message.model import Message

Authenticate = Callable[[Envelope, Message], Awaitable[AuthResults]]
Remember = Callable[[Envelope, ContentFacts, AuthResults, MailView, Message], Awaitable[SenderHistory]]


@dataclass(frozen=True, slots=True)
class Gatherer:
    """The services that find facts out."""

    authenticate: Authenticate
    remember: Remember
    protected: Protected
    threads: Executor | None = None  #: None computes at once: nobody else waits for this thread

    async def facts(
        self, envelope: Envelope, octets: bytes, stages: Stages, parsed: Message | None = None
    ) -> DataFacts:
        """Everything known about one mail before any check runs. Never raises for what a mail holds.

        ``parsed`` is for who read its structure already.
        """
        message, view, content = await beside(self.threads, _look, octets, stages, parsed)
        with stages.measure("auth"):
            auth = await self.authenticate(envelope, message)
        with stages.measure("history"):
            history = await self.remember(envelope, content, auth, view, message)
        return DataFacts(envelope, message, auth, view, content, history, self.protected)


def _look(octets: bytes, stages: Stages, parsed: Message | None) -> tuple[Message, MailView, ContentFacts]:
    with stages.measure("parse"):
        message = parsed or parse_message(octets)
        view = view_of(message)
    with stages.measure("content"):
        content = gather_content(message, view)
    return message, view, content
