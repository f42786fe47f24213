"""Which trap an address falls into: those of the configuration by name, pattern and domain, then those of the store.

An address named as a trap is one, whatever else it is. A pattern or a whole domain never takes an address that
somebody has, nor postmaster and abuse, which RFC 5321 §4.5.1 and RFC 2142 promise to a person.
"""

from collections import defaultdict
from collections.abc import Iterable

from store.kv.contract import ReadTxn
from store.policy import traps

EXEMPT = frozenset({"postmaster", "abuse"})


class Traps:
    """The traps of the configuration, asked together with those of the store."""

    def __init__(self, addresses: Iterable[str] = (), domains: Iterable[str] = ()) -> None:
        """``addresses`` may have one star in the local part, ``domains`` are whole."""
        self._names: set[str] = set()
        self._patterns: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for address in addresses:
            local, _, domain = address.lower().rpartition("@")
            before, star, after = local.partition("*")
            if star:
                self._patterns[domain].append((before, after))
            else:
                self._names.add(f"{local}@{domain}")
        self._domains = frozenset(f"@{domain.lower().strip('.')}" for domain in domains)

    def named(self, kv: ReadTxn, address: str) -> str:
        """The trap of exactly this address, "" for none: one row read unless the configuration names it."""
        name = address.lower()
        return name if name in self._names or traps.get(kv, name) is not None else ""

    def wide(self, kv: ReadTxn, address: str) -> str:
        """The pattern or the whole domain that an address falls under, "" for none. Only for one that nobody has."""
        local, _, domain = address.lower().rpartition("@")
        if local.partition("+")[0] in EXEMPT:
            return ""
        for before, after in self._patterns.get(domain, ()):
            fits = len(local) >= len(before) + len(after)
            if fits and local.startswith(before) and local.endswith(after):
                return f"{before}*{after}@{domain}"
        found = next((name for name in traps.above(domain) if name in self._domains), "")
        return found or traps.domain_of(kv, domain)

    def every(self) -> list[str]:
        """The traps of the configuration by name."""
        patterns = [f"{b}*{a}@{domain}" for domain, each in self._patterns.items() for b, a in each]
        return sorted([*self._names, *patterns, *self._domains])
