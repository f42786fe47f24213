"""The configuration: one TOML file, everything optional but the domain, an unknown key is an error."""

import difflib
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from store.blob.places import check_blobs_url, folder_of
from store.kv.opening import check_url, path_of

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NOT_IN_NAMES = frozenset(" \t\r\n@/:\\")


class ConfigError(Exception):
    """The configuration cannot be used; the text says where and what to do."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hostname: str = "localhost"  #: our name in greetings, Received and Authentication-Results
    data: str = "data"  #: folder of the store, relative to the configuration file
    workers: int = 0  #: processes; 0 is one a core
    log: str = "json"  #: "json" or "human"


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses as "host:port" or "[v6]:port"; an empty list switches a service off."""

    smtp: tuple[str, ...] = ("127.0.0.1:2525",)
    imap: tuple[str, ...] = ("127.0.0.1:1143",)
    imaps: tuple[str, ...] = ()
    http: tuple[str, ...] = ("127.0.0.1:8025",)
    https: tuple[str, ...] = ()


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: str = ""  #: PEM file with the chain; "" is no TLS
    key: str = ""  #: PEM file with its private key


class Domain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    deliver: str = "local"  #: "local", or "smtp:host:port" to relay to
    quarantine_days: int = 0  #: of mail held for this domain, before it is given up; 0 is quarantine.keep_days
    recipients: tuple[str, ...] | str = "any"  #: of a relayed domain: "any", or the local parts that exist
    protect: tuple[str, ...] = ()  #: "Maria Koch <maria@example.com>": names fraud likes to borrow
    partners: tuple[str, ...] = ()  #: domains whose look-alikes are watched for, too


class Traps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    addresses: tuple[str, ...] = ()  #: mail to these is learned from and never delivered


class VerdictSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    junk: float = 0.60  #: probability from which mail is filed as Junk
    hold: float = 0.85  #: and from which it is held in quarantine
    refuse: float = 1.0  #: 1.0 never refuses by probability; refused mail is gone, held mail is not


class QuarantineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep_days: int = 30  #: of a held mail, before it is given up


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of records about mail; how long mail itself is kept is said by `mailward retention`."""

    trace_days: int = 0  #: of what was found out about a mail judged, and of settled quarantine; 0 is for ever
    audit_days: int = 0  #: of audit entries; the chain stays whole without them; 0 is for ever


class Dns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    servers: tuple[str, ...] = ()  #: "host" or "host:port"; empty takes /etc/resolv.conf
    timeout_s: float = 3.0  #: for one question to one server
    queries_per_mail: int = 60  #: DNS questions that judging one mail may ask
    seconds_per_mail: float = 12.0  #: that authentication may take altogether
    zone: str = ""  #: a fixture zone file that answers instead of the network, for trying things out


class Pyzor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    servers: tuple[str, ...] = ()  #: "host:port"; empty asks nobody: nothing leaves the machine by default
    timeout_s: float = 3.0  #: for one question to one server


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    directory: str = ""  #: a trained model; "" is the one we ship
    language: bool = True  #: ask the language model when in doubt
    language_share: float = 0.2  #: of a worker's time; beyond it only deep doubt and lures are read
    doubt: tuple[float, float] = (0.10, 0.90)  #: probabilities between which the language model is asked


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message_octets: int = 50 * 1024 * 1024  #: of one mail; SIZE says so to clients
    recipients: int = 100  #: of one mail (RFC 5321 §4.5.3.1.8)
    hops: int = 50  #: Received fields of a mail; one with more is going in circles and refused (RFC 5321 §6.3)
    data_octets_at_once: int = 512 * 1024 * 1024  #: of all mails of one worker being received or judged
    messages_per_connection: int = 1_000  #: before 421
    commands_per_connection: int = 10_000  #: of each kind, before 421
    connections: int = 1_000  #: of one worker
    connections_per_address: int = 20  #: of one worker, from one client
    command_s: float = 300.0  #: RFC 5321 §4.5.3.2
    data_s: float = 600.0  #: for the whole of one DATA
    judging_at_once: int = 16  #: mails of one worker being judged; more wait in line
    append_octets: int = 50 * 1024 * 1024  #: of a mail given to IMAP APPEND


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""  #: "sqlite:PATH", "rocksdb:PATH", "postgresql://..." or "foundationdb:..."; empty: server.data has it
    migrate: bool = True  #: bring an older store up to date when the server starts; else `mailward store migrate` does
    max_octets: int = 0  #: of the SQLite file or the RocksDB folder; 0 is as much as the disk holds
    blobs: str = ""  #: where mails over 64 KiB are: "files:PATH" or "s3://BUCKET/PREFIX?..."; empty is in the store
    s3_credentials: str = ""  #: file with AWS's keys, as its tools write it; empty is AWS_ACCESS_KEY_ID and so on
    key_file: str = ""  #: keys that mails are encrypted under, the first one writes; empty is MAILWARD_STORE_KEY


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    when_full: str = "later"  #: "later" asks senders to try again (452), "refuse" sends their mail back (552)


class Outbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    relay: str = ""  #: "host:port" that takes mail for outside addresses of aliases; empty refuses such mail for now


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    changes: int = 100_000  #: change-log rows kept of an account and kind; clients away for longer start over


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: int = 100_000  #: of one mail that can be found, its first ones; a change makes every index anew
    memory_octets: int = 64_000_000  #: of each worker, for pieces of indexes that searches may need again


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str = "Mailward"  #: shown in the corner of every page
    behind_tls_proxy: bool = False  #: a proxy in front ends TLS, so cookies are marked Secure


class Smtp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    xclient_from: tuple[str, ...] = ()  #: networks of proxies in front that may say who the client is (XCLIENT)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    plaintext_on_loopback: bool = False  #: let clients on this machine sign in without TLS


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    server: Server = Server()
    listen: Listen = Listen()
    tls: Tls = Tls()
    domain: dict[str, Domain] = {}
    traps: Traps = Traps()
    verdict: VerdictSettings = VerdictSettings()
    quarantine: QuarantineSettings = QuarantineSettings()
    retention: RetentionSettings = RetentionSettings()
    dns: Dns = Dns()
    pyzor: Pyzor = Pyzor()
    model: Model = Model()
    limits: Limits = Limits()
    smtp: Smtp = Smtp()
    store: StoreSettings = StoreSettings()
    quota: Quota = Quota()
    outbound: Outbound = Outbound()
    history: History = History()
    search: Search = Search()
    console: Console = Console()
    login: Login = Login()


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
    elif isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        for name, value in raw.items():
            if name not in fields:
                close = difflib.get_close_matches(name, fields, 1)
                hint = f"; did you mean {where}{close[0]}?" if close else f"; known here: {', '.join(sorted(fields))}"
                raise ConfigError(f"unknown key {where}{name}{hint}")
            _refuse_unknown(value, fields[name], f"{where}{name}.")


def _check(config: Config) -> None:
    _check_values(config)
    _check_mail(config)
    _check_domains(config)
    _check_store(config)
    _check_addresses(config)


def _check_values(config: Config) -> None:
    verdict, doubt = config.verdict, config.model.doubt
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
    if not 0 <= doubt[0] <= doubt[1] <= 1:
        raise ConfigError("model.doubt: two probabilities in rising order")
    if not (config.dns.timeout_s > 0 and config.dns.seconds_per_mail > 0 and config.pyzor.timeout_s > 0):
        raise ConfigError("dns.timeout_s, dns.seconds_per_mail and pyzor.timeout_s: seconds above 0")
    for field in msgspec.structs.fields(Limits):
        if getattr(config.limits, field.name) <= 0:
            raise ConfigError(f"limits.{field.name}: must be above 0")
    if config.limits.data_octets_at_once < config.limits.message_octets:
        raise ConfigError("limits.data_octets_at_once: at least limits.message_octets, or no such mail can ever come")
    if not 0 < verdict.junk <= verdict.hold <= verdict.refuse <= 1:
        raise ConfigError("verdict: junk, hold and refuse must be probabilities in rising order")
    if bool(config.tls.certificate) != bool(config.tls.key):
        raise ConfigError("tls: certificate and key belong together; one of them is missing")
    if (config.listen.imaps or config.listen.https) and not config.tls.certificate:
        raise ConfigError("listen.imaps and listen.https need tls.certificate and tls.key")


def _check_mail(config: Config) -> None:
    if config.quota.when_full not in {"later", "refuse"}:
        raise ConfigError('quota.when_full: write "later" or "refuse"')
    if config.outbound.relay:
        host_and_port(config.outbound.relay)
    if not 1_000 <= config.search.words <= 130_000:
        raise ConfigError("search.words: from 1000 to 130000; a place in a mail is kept in 17 bits")
    if config.search.memory_octets < 0:
        raise ConfigError("search.memory_octets: 0 or more; 0 keeps nothing, which is right but slow")
    if config.history.changes < 1_000:
        raise ConfigError("history.changes: at least 1000; with fewer, clients would start over again and again")


def _check_domains(config: Config) -> None:
    for trap in config.traps.addresses:
        if not all(trap.rpartition("@")):
            raise ConfigError(f"traps.addresses: {trap!r} is no address; write one as trap@example.com")
    for name, domain in config.domain.items():
        if not name or name.isspace() or set(name) & _NOT_IN_NAMES:
            raise ConfigError(f"domain: {name!r} is no domain name")
        if domain.quarantine_days < 0:
            raise ConfigError(f'domain."{name}".quarantine_days: a number of days, or 0 for quarantine.keep_days')
        if domain.deliver != "local" and relay_of(domain) is None:
            raise ConfigError(f'domain."{name}".deliver: write "local" or "smtp:host:port"')
        if isinstance(domain.recipients, str) and domain.recipients != "any":
            raise ConfigError(f'domain."{name}".recipients: write "any", or a list of the local parts that exist')


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
        config.listen.imap,
        config.listen.imaps,
        config.listen.http,
        config.listen.https,
    ):
        for address in services:
            host_and_port(address)
    networks_of(config.smtp.xclient_from)
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
        dns=replace(config.dns, zone=at(config.dns.zone)),
        domain={name.lower(): domain for name, domain in config.domain.items()},
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


def networks_of(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks as "192.0.2.0/24" or single addresses. Raises ConfigError."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"smtp.xclient_from: {error}") from error


def relay_of(domain: Domain) -> tuple[str, int] | None:
    """Where a relayed domain's mail goes; None for a local domain or a malformed target."""
    scheme, _, target = domain.deliver.partition(":")
    if scheme != "smtp":
        return None
    try:
        return host_and_port(target)
    except ConfigError:
        return None
