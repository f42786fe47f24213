"""From the configuration to a ``Book``: thresholds are merged, rules compiled, names checked."""

from collections.abc import Collection

from gateway.config import ConfigError
from gateway.pipeline.verdict import Thresholds
from gateway.policy.book import Book, ThresholdsFor
from gateway.policy.rule import MAX_RULES, BadRule, compile_rule
from gateway.settings import Config, Domain
from gateway.settings.policy import GroupSettings, RecipientSettings


def book_of(config: Config, signals: Collection[str]) -> Book:
    """Rules and thresholds as configured; ``signals`` are the names that checks can emit. Raises ConfigError."""
    groups = {name: tuple(member.lower() for member in group.members) for name, group in config.group.items()}
    for name, members in groups.items():
        for member in members:
            if not member.rpartition("@")[2] or "@" not in member:
                raise ConfigError(f'group.{name}.members: {member!r}: write an address or "@domain"')
    if len(config.rule) > MAX_RULES:
        raise ConfigError(f"rule: at most {MAX_RULES} rules")
    try:
        rules = tuple(compile_rule(each, signals, groups) for each in config.rule)
    except BadRule as error:
        raise ConfigError(str(error)) from error
    twice = [rule.name for rule in rules if sum(rule.name == other.name for other in rules) > 1]
    if twice:
        raise ConfigError(f'rule "{twice[0]}": two rules have this name')
    return Book(rules, ThresholdsFor(_thresholds(config, groups)))


def _thresholds(config: Config, groups: dict[str, tuple[str, ...]]) -> dict[str, Thresholds]:
    """By address and "@domain". Of two groups of one recipient the first in the file counts."""
    usual = Thresholds(config.verdict.junk, config.verdict.hold, config.verdict.refuse)
    own: dict[str, Thresholds] = {}
    for name, domain in config.domain.items():
        _merge(own, "@" + name.lower(), domain, usual, f'domain."{name}"')
    by_domain = dict(own)
    for name, members in groups.items():
        for member in members:
            if member not in own or member in by_domain:
                above = by_domain.get("@" + member.rpartition("@")[2], usual)
                _merge(own, member, config.group[name], above, f"group.{name}")
    for address, settings in config.recipient.items():
        if not all(address.rpartition("@")):
            raise ConfigError(f'recipient: {address!r} is no address; write [recipient."ana@example.com"]')
        name = address.lower()
        above = own.get(name) or own.get("@" + name.rpartition("@")[2], usual)
        _merge(own, name, settings, above, f'recipient."{address}"')
    return own


def _merge(
    own: dict[str, Thresholds],
    name: str,
    settings: Domain | GroupSettings | RecipientSettings,
    above: Thresholds,
    where: str,
) -> None:
    if settings.junk is None and settings.hold is None and settings.refuse is None:
        return
    made = Thresholds(
        above.junk if settings.junk is None else settings.junk,
        above.hold if settings.hold is None else settings.hold,
        above.refuse if settings.refuse is None else settings.refuse,
    )
    if not 0 < made.junk <= made.hold <= made.refuse <= 1:
        raise ConfigError(
            f"{where}: junk, hold and refuse must be probabilities in rising order; "
            f"with what is set above they are {made.junk:g}, {made.hold:g} and {made.refuse:g}"
        )
    own[name] = made
