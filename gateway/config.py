"""The configuration: one TOML file, everything optional but the domain, an unknown key is an error."""

import difflib
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from gateway.sentences import LANGUAGES
from gateway.settings import Config, Domain, Limits
from gateway.settings.outbound import check_outbound
from gateway.settings.second_opinion import check_second_opinion
from store.blob.places import check_blobs_url, folder_of
from store.kv.opening import check_url, path_of

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NOT_IN_NAMES = frozenset(" \t\r\n@/:\\")


class ConfigError(Exception):
    """The configuration cannot be used; the text says where and what to do."""


def load(path: Path) -> Config:
    """Read and check a configuration file. Paths in it are made absolute. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `mailward config example` prints one to start from") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(raw, path.resolve().parent)


def parse(raw: dict[str, Any], folder: Path) -> Config:
    """Check a parsed file. Raises ConfigError that names the key and, for a slip of the pen, the right one."""
    _refuse_unknown(raw, Config, "")
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error).replace("`$.", "`")) from error
    _check(config)
    return _absolute(config, folder)


def _refuse_unknown(raw: Any, kind: Any, where: str) -> None:
    if get_origin(kind) is dict and isinstance(raw, dict):
        for name, value in raw.items():
            _refuse_unknown(value, get_args(kind)[1], f'{where}"{name}".')
    elif get_origin(kind) is tuple and isinstance(raw, list):
        for place, value in enumerate(raw, 1):
            _refuse_unknown(value, get_args(kind)[0], f"{where.removesuffix('.')}[{place}].")
    elif isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for name, value in raw.items():
            if name not in fields:
                close = difflib.get_close_matches(name, fields, 1)
                hint = f"; did you mean {where}{close[0]}?" if close else f"; known here: {', '.join(sorted(fields))}"
                raise ConfigError(f"unknown key {where}{name}{hint}")
            _refuse_unknown(value, fields[name], f"{where}{name}.")


def _check(config: Config) -> None:
    _check_values(config)
    _check_judging(config)
    _check_auth(config)
    _check_mail(config)
    _check_domains(config)
    _check_store(config)
    _check_addresses(config)
    _check_traps(config)
    _check_clamav(config)
    _check_second_opinion(config)
    _check_outbound(config)


def _check_values(config: Config) -> None:
    if not config.domain:
        raise ConfigError('domain: name at least one domain to take mail for, as in [domain."example.com"]')
    if config.server.log not in {"json", "human"}:
        raise ConfigError('server.log: write "json" or "human"')
    if config.server.workers < 0:
        raise ConfigError("server.workers: a number of processes, or 0 for one a core")
    if not _HOST_NAME.fullmatch(config.server.hostname):
        raise ConfigError("server.hostname: a host name as in mx1.example.com; it stands in greetings and headers")
    if config.quarantine.keep_days < 1:
        raise ConfigError("quarantine.keep_days: at least 1")
    if min(config.retention.trace_days, config.retention.audit_days) < 0:
        raise ConfigError("retention.trace_days and retention.audit_days: a number of days, or 0 for ever")
    for field in msgspec.structs.fields(Limits):
        if getattr(config.limits, field.name) <= 0:
            raise ConfigError(f"limits.{field.name}: must be above 0")
    if config.limits.data_octets_at_once < config.limits.message_octets:
        raise ConfigError("limits.data_octets_at_once: at least limits.message_octets, or no such mail can ever come")
    if bool(config.tls.certificate) != bool(config.tls.key):
        raise ConfigError("tls: certificate and key belong together; one of them is missing")
    if (config.listen.imaps or config.listen.https) and not config.tls.certificate:
        raise ConfigError("listen.imaps and listen.https need tls.certificate and tls.key")
    if config.listen.submissions and not config.tls.certificate:
        raise ConfigError("listen.submissions needs tls.certificate and tls.key")


def _check_judging(config: Config) -> None:
    verdict, doubt = config.verdict, config.model.doubt
    if not 0 < verdict.junk <= verdict.hold <= verdict.refuse <= 1:
        raise ConfigError("verdict: junk, hold and refuse must be probabilities in rising order")
    if not 0 <= doubt[0] <= doubt[1] <= 1:
        raise ConfigError("model.doubt: two probabilities in rising order")
    if verdict.language not in LANGUAGES:
        raise ConfigError(f"verdict.language: one of {', '.join(LANGUAGES)}")
    if not (0 < config.greylist.from_probability < 1 and config.greylist.wait_s > 0):
        raise ConfigError("greylist.from_probability: a probability; greylist.wait_s: seconds above 0")
    if not (config.dnslists.seconds_per_mail > 0 and config.dnslists.queries_per_mail > 0):
        raise ConfigError("dnslists.seconds_per_mail and dnslists.queries_per_mail: must be above 0")
    if not (config.dns.timeout_s > 0 and config.dns.seconds_per_mail > 0 and config.pyzor.timeout_s > 0):
        raise ConfigError("dns.timeout_s, dns.seconds_per_mail and pyzor.timeout_s: seconds above 0")


def _check_auth(config: Config) -> None:
    auth = config.auth
    if len({bool(value) for value in (auth.seal_key, auth.seal_domain, auth.seal_selector)}) > 1:
        raise ConfigError("auth: seal_key, seal_domain and seal_selector belong together; one of them is missing")
    for name in (*auth.trusted_sealers, *filter(None, (auth.seal_domain, auth.seal_selector))):
        if not _HOST_NAME.fullmatch(name):
            raise ConfigError(f"auth: {name!r} is no domain name")


def _check_mail(config: Config) -> None:
    if config.quota.when_full not in {"later", "refuse"}:
        raise ConfigError('quota.when_full: write "later" or "refuse"')
    if not 1_000 <= config.search.words <= 130_000:
        raise ConfigError("search.words: from 1000 to 130000; a place in a mail is kept in 17 bits")
    if config.search.memory_octets < 0:
        raise ConfigError("search.memory_octets: 0 or more; 0 keeps nothing, which is right but slow")
    if config.history.changes < 1_000:
        raise ConfigError("history.changes: at least 1000; with fewer, clients would start over again and again")


def _check_domains(config: Config) -> None:
    for name, domain in config.domain.items():
        if not name or name.isspace() or set(name) & _NOT_IN_NAMES:
            raise ConfigError(f"domain: {name!r} is no domain name")
        if domain.quarantine_days < 0:
            raise ConfigError(f'domain."{name}".quarantine_days: a number of days, or 0 for quarantine.keep_days')
        if domain.deliver != "local" and relay_of(domain) is None:
            raise ConfigError(f'domain."{name}".deliver: write "local" or "smtp:host:port"')
        if isinstance(domain.recipients, str) and domain.recipients != "any":
            raise ConfigError(f'domain."{name}".recipients: write "any", or a list of the local parts that exist')


def _check_outbound(config: Config) -> None:
    if config.outbound.relay:
        host_and_port(config.outbound.relay)
    try:
        check_outbound(config.outbound, config.dlp)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for name, domain in config.domain.items():
        if domain.return_path not in {"off", "sign", "strict"}:
            raise ConfigError(f'domain."{name}".return_path: write "off", "sign" or "strict"')
        for key in domain.dkim:
            if not (key.selector and key.key and _HOST_NAME.fullmatch(key.selector)):
                raise ConfigError(f'domain."{name}".dkim: a selector and the PEM file of its key')


def _check_traps(config: Config) -> None:
    for trap in config.traps.addresses:
        local, _, domain = trap.rpartition("@")
        if not (local and domain) or "*" in domain or local.count("*") > 1 or local == "*":
            raise ConfigError(
                f"traps.addresses: {trap!r} is no address; write one as trap@example.com or *-old@example.com, "
                "and whole domains in traps.domains"
            )
    for name in config.traps.domains:
        if not name or set(name) & _NOT_IN_NAMES or "*" in name:
            raise ConfigError(f"traps.domains: {name!r} is no domain name")


def _check_second_opinion(config: Config) -> None:
    try:
        check_second_opinion(config.second_opinion)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_clamav(config: Config) -> None:
    clamav = config.clamav
    if clamav.socket and clamav.host:
        raise ConfigError("clamav: socket or host, not both")
    if clamav.host:
        host_and_port(clamav.host)
    if not (clamav.timeout_s > 0 and clamav.max_octets > 0 and clamav.at_once > 0):
        raise ConfigError("clamav.timeout_s, clamav.max_octets and clamav.at_once: must be above 0")
    if clamav.on_failure not in {"evidence", "defer"}:
        raise ConfigError('clamav.on_failure: write "evidence" or "defer"')
    if clamav.on_virus not in {"hold", "refuse"}:
        raise ConfigError('clamav.on_virus: write "hold" or "refuse"')


def _check_store(config: Config) -> None:
    url = config.store.url
    try:
        scheme = check_url(url) if url else "sqlite"
    except ValueError as error:
        raise ConfigError(f"store.url: {error}") from error
    if scheme == "memory":
        raise ConfigError('store.url: "memory:" keeps nothing, so a server may not use it')
    if scheme == "rocksdb" and config.server.workers != 1:
        raise ConfigError("store.url: RocksDB serves one process only; set server.workers = 1")
    try:
        if config.store.blobs:
            check_blobs_url(config.store.blobs)
    except ValueError as error:
        raise ConfigError(f"store.blobs: {error}") from error
    if scheme in {"postgresql", "foundationdb"} and config.store.max_octets:
        raise ConfigError("store.max_octets: the size of a database is set where it runs; leave it out here")


def _check_addresses(config: Config) -> None:
    for services in (
        config.listen.smtp,
        config.listen.submission,
        config.listen.submissions,
        config.listen.imap,
        config.listen.imaps,
        config.listen.http,
        config.listen.https,
    ):
        for address in services:
            host_and_port(address)
    networks_of(config.smtp.xclient_from)
    networks_of(config.metrics.networks, "metrics.networks")
    for address in config.pyzor.servers:
        host_and_port(address)
    for address in config.dns.servers:
        dns_server(address)


def _absolute(config: Config, folder: Path) -> Config:
    def at(name: str) -> str:
        return str(folder / name) if name else ""

    replace = msgspec.structs.replace
    return replace(
        config,
        server=replace(config.server, data=at(config.server.data)),
        store=replace(
            config.store,
            url=_absolute_url(config.store.url, folder),
            blobs=_absolute_blobs(config.store.blobs, folder),
            s3_credentials=at(config.store.s3_credentials),
            key_file=at(config.store.key_file),
        ),
        tls=replace(config.tls, certificate=at(config.tls.certificate), key=at(config.tls.key)),
        model=replace(config.model, directory=at(config.model.directory)),
        second_opinion=replace(config.second_opinion, key_file=at(config.second_opinion.key_file)),
        dns=replace(config.dns, zone=at(config.dns.zone)),
        auth=replace(config.auth, seal_key=at(config.auth.seal_key)),
        dnslists=replace(config.dnslists, files={name: at(file) for name, file in config.dnslists.files.items()}),
        outbound=replace(
            config.outbound, password_file=at(config.outbound.password_file), ca_file=at(config.outbound.ca_file)
        ),
        domain={
            name.lower(): replace(domain, dkim=tuple(replace(each, key=at(each.key)) for each in domain.dkim))
            for name, domain in config.domain.items()
        },
        recipient={name.lower(): recipient for name, recipient in config.recipient.items()},
        rule=tuple(replace(rule, test=tuple(replace(t, mail=at(t.mail)) for t in rule.test)) for rule in config.rule),
    )


def _absolute_url(url: str, folder: Path) -> str:
    path = path_of(url) if url else None
    return url if path is None else f"{check_url(url)}:{folder / path}"


def _absolute_blobs(url: str, folder: Path) -> str:
    path = folder_of(url) if url else None
    return url if path is None else f"files:{folder / path}"


def host_and_port(address: str) -> tuple[str, int]:
    """Split "host:port" or "[v6]:port". Raises ConfigError."""
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65_535 or not host:
        raise ConfigError(f'{address!r}: write an address as "host:port" or "[v6]:port"')
    return host.strip("[]"), int(port)


def dns_server(text: str) -> tuple[str, int]:
    """Split "host", "host:port" or a bare IPv6 address; the port is 53 when none is named. Raises ConfigError."""
    try:
        return str(ip_address(text)), 53
    except ValueError:
        host, port = host_and_port(text)
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise ConfigError(f"dns.servers: {text!r}: write an IP address; a name would have to be looked up") from None


def networks_of(texts: tuple[str, ...], where: str = "smtp.xclient_from") -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks as "192.0.2.0/24" or single addresses. Raises ConfigError."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def relay_of(domain: Domain) -> tuple[str, int] | None:
    """Where a relayed domain's mail goes; None for a local domain or a malformed target."""
    scheme, _, target = domain.deliver.partition(":")
    if scheme != "smtp":
        return None
    try:
        return host_and_port(target)
    except ConfigError:
        return None
