"""Every setting of the configuration file, with its default and what it means: the comment behind it is its manual."""

import msgspec

from gateway.settings.outbound import DkimKey, DlpRule, Outbound
from gateway.settings.policy import GroupSettings, RecipientSettings, RuleSettings
from gateway.settings.second_opinion import SecondOpinion


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hostname: str = "localhost"  #: our name in greetings, Received and Authentication-Results
    data: str = "data"  #: folder of the store, relative to the configuration file
    workers: int = 0  #: processes; 0 is one a core
    log: str = "json"  #: "json" or "human"


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses as "host:port" or "[v6]:port"; an empty list switches a service off."""

    smtp: tuple[str, ...] = ("127.0.0.1:2525",)
    submission: tuple[str, ...] = ()  #: where people's mail programs send, with STARTTLS (RFC 6409): port 587
    submissions: tuple[str, ...] = ()  #: the same under TLS from the first octet (RFC 8314): port 465
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
    junk: float | None = None  #: as in [verdict], for this domain's recipients
    hold: float | None = None  #: likewise
    refuse: float | None = None  #: likewise
    dkim: tuple[DkimKey, ...] = ()  #: keys that sign mail which our people send from this domain
    return_path: str = "off"  #: "sign" marks our return addresses, "strict" also refuses reports to unmarked ones


class Traps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mail to these is learned from and never delivered; `mailward trap` keeps more of them in the store."""

    addresses: tuple[str, ...] = ()  #: "info@example.com", or with one star "*-old@example.com"
    domains: tuple[str, ...] = ()  #: whose every address is a trap, those of the domains below them included


class VerdictSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    junk: float = 0.60  #: probability from which mail is filed as Junk
    hold: float = 0.85  #: and from which it is held in quarantine
    language: str = "en"  #: of the sentences that give a verdict's reasons: "en" or "de"
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


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may vouch for mail that changed on its way, and our own seal on mail that we hand on (RFC 8617)."""

    trusted_sealers: tuple[str, ...] = ()  #: domains whose ARC seals we believe, as "lists.example.com"
    seal_key: str = ""  #: PEM file with an RSA key of 2048 bits or more; empty seals nothing
    seal_domain: str = ""  #: that seals: its DNS holds the public key at SELECTOR._domainkey.DOMAIN
    seal_selector: str = ""


class Pyzor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    servers: tuple[str, ...] = ()  #: "host:port"; empty asks nobody: nothing leaves the machine by default
    report: bool = False  #: tell the servers a digest of mail that came to a trap or that a person confirmed as spam
    timeout_s: float = 3.0  #: for one question to one server


class ClamAv(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A virus scanner that runs beside us; without socket and host none is asked."""

    socket: str = ""  #: path of clamd's Unix socket, such as "/run/clamav/clamd.ctl"
    host: str = ""  #: or "host:port" where clamd listens (TCPSocket); the mail goes there in clear
    timeout_s: float = 15.0  #: for one mail, waiting for a free place included
    max_octets: int = 25 * 1024 * 1024  #: of a mail; no more than clamd's StreamMaxLength. Longer mail is not scanned
    at_once: int = 4  #: mails of one worker being scanned; no more than clamd's MaxThreads
    on_failure: str = "evidence"  #: when clamd does not answer: "evidence", or "defer" mail until it does
    on_virus: str = "hold"  #: what is done at least: "hold" in quarantine, or "refuse"


class OwnList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list that we do not know; written as those in gateway/dnslists/lists.toml."""

    zone: str  #: the name that is asked
    asks: tuple[str, ...]  #: "client", "domains", "signed"
    answers: dict[str, str] = {}  #: "127.0.0.2" = "client-spam"
    bits: dict[str, str] = {}  #: of the last octet: "4" = "domain-phish"
    refused: tuple[str, ...] = ()  #: answers that mean "you may not ask"


class DnsListSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use: tuple[str, ...] = ()  #: lists by name, as "spamhaus-zen"; empty asks nobody
    key: str = ""  #: for lists with paid access (Spamhaus DQS)
    files: dict[str, str] = {}  #: list name -> offline copy in rbldnsd's format, asked instead of the network
    own: dict[str, OwnList] = {}  #: lists that we do not know, by name; name them in ``use``, too
    queries_per_mail: int = 40  #: DNS questions to lists about one mail
    seconds_per_mail: float = 4.0  #: that all lists together may take


class RateLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mails an hour over all nodes, beyond which they are told to come later; 0 is without a limit."""

    network: int = 0  #: from one network (/24 or /56)
    sender: int = 0  #: by one MAIL FROM
    recipient: int = 0  #: for one address, against mail bombing


class GreylistConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = False  #: ask doubtful mail from strangers to come back later
    from_probability: float = 0.35  #: of being unwanted; likelier mail is asked, ordinary mail never is
    wait_s: int = 240  #: an earlier retry does not count


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    directory: str = ""  #: a trained model; "" is the one we ship
    language: bool = True  #: ask the language model when in doubt
    language_share: float = 0.2  #: of a worker's time; beyond it only deep doubt and lures are read
    doubt: tuple[float, float] = (0.20, 0.85)  #: probabilities between which the language model is asked


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


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    changes: int = 100_000  #: change-log rows kept of an account and kind; clients away for longer start over


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: int = 100_000  #: of one mail that can be found, its first ones; a change makes every index anew
    memory_octets: int = 64_000_000  #: of each worker, for pieces of indexes that searches may need again


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str = "Mailward"  #: shown in the corner of every page
    behind_tls_proxy: bool = False  #: a proxy in front ends TLS, so cookies are marked Secure


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    networks: tuple[str, ...] = ()  #: that may read /metrics (Prometheus), as "127.0.0.1"; empty: nobody may


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
    recipient: dict[str, RecipientSettings] = {}
    group: dict[str, GroupSettings] = {}
    rule: tuple[RuleSettings, ...] = ()
    traps: Traps = Traps()
    verdict: VerdictSettings = VerdictSettings()
    quarantine: QuarantineSettings = QuarantineSettings()
    retention: RetentionSettings = RetentionSettings()
    dns: Dns = Dns()
    auth: Auth = Auth()
    dnslists: DnsListSettings = DnsListSettings()
    rates: RateLimits = RateLimits()
    greylist: GreylistConfig = GreylistConfig()
    pyzor: Pyzor = Pyzor()
    clamav: ClamAv = ClamAv()
    model: Model = Model()
    second_opinion: SecondOpinion = SecondOpinion()
    limits: Limits = Limits()
    smtp: Smtp = Smtp()
    store: StoreSettings = StoreSettings()
    quota: Quota = Quota()
    outbound: Outbound = Outbound()
    dlp: tuple[DlpRule, ...] = ()
    history: History = History()
    search: Search = Search()
    console: Console = Console()
    metrics: Metrics = Metrics()
    login: Login = Login()
