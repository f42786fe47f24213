"""The configuration file: what is understood, and what is said about what is not."""

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config import ConfigError, dns_server, host_and_port, load, networks_of, parse, relay_of
from gateway.settings import Config, Domain

FOLDER = Path("/srv/mailward")
DOMAIN = '[domain."example.com"]\n'


def read(text: str) -> Config:
    return parse(tomllib.loads(text), FOLDER)


def test_a_domain_is_enough() -> None:
    config = read(DOMAIN)
    assert list(config.domain) == ["example.com"]
    assert config.server.data == "/srv/mailward/data"
    assert (config.tls.certificate, config.model.directory, config.dns.zone) == ("", "", "")


def test_paths_are_taken_from_the_files_folder() -> None:
    text = '[server]\ndata = "/var/mail"\n[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n[dns]\nzone = "z"\n'
    config = read(text + '[model]\ndirectory = "m"\n' + DOMAIN)
    assert config.server.data == "/var/mail"
    assert (config.tls.certificate, config.tls.key) == ("/srv/mailward/c.pem", "/srv/mailward/k.pem")
    assert (config.dns.zone, config.model.directory) == ("/srv/mailward/z", "/srv/mailward/m")


def test_domains_are_compared_in_lower_case() -> None:
    assert list(read('[domain."Example.COM"]').domain) == ["example.com"]


ERRORS = {
    "no domain": ("", 'domain: name at least one domain to take mail for, as in [domain."example.com"]'),
    "a slip in a section": ("[sever]\n", "unknown key sever; did you mean server?"),
    "a slip in a key": ('[server]\nhostnam = "x"\n', "unknown key server.hostnam; did you mean server.hostname?"),
    "a slip in a domain": (
        '[domain."a.example"]\ndelivr = "local"\n',
        'unknown key domain."a.example".delivr; did you mean domain."a.example".deliver?',
    ),
    "a key like no other": (
        "[quarantine]\nzzz = 1\n",
        "unknown key quarantine.zzz; known here: keep_days",
    ),
    "a wrong type": ('[server]\nworkers = "two"\n', "Expected `int`, got `str` - at `server.workers`"),
    "a wrong type of a section": ("server = 1\n", "Expected `object`, got `int` - at `server`"),
    "thresholds that fall": (
        "[verdict]\njunk = 0.9\nhold = 0.8\n",
        "verdict: junk, hold and refuse must be probabilities in rising order",
    ),
    "a threshold of more than certainty": (
        "[verdict]\nrefuse = 1.5\n",
        "verdict: junk, hold and refuse must be probabilities in rising order",
    ),
    "a threshold of nothing": (
        "[verdict]\njunk = 0.0\n",
        "verdict: junk, hold and refuse must be probabilities in rising order",
    ),
    "a threshold that is no number": (
        "[verdict]\njunk = nan\n",
        "verdict: junk, hold and refuse must be probabilities in rising order",
    ),
    "half of TLS": (
        '[tls]\ncertificate = "c.pem"\n',
        "tls: certificate and key belong together; one of them is missing",
    ),
    "TLS ports without TLS": (
        '[listen]\nimaps = ["127.0.0.1:993"]\n',
        "listen.imaps and listen.https need tls.certificate and tls.key",
    ),
    "a way to deliver that is none": (
        '[domain."a.example"]\ndeliver = "lmtp:host:24"\n',
        'domain."a.example".deliver: write "local" or "smtp:host:port"',
    ),
    "a relay without a port": (
        '[domain."a.example"]\ndeliver = "smtp:host"\n',
        'domain."a.example".deliver: write "local" or "smtp:host:port"',
    ),
    "recipients that are no list": (
        '[domain."a.example"]\nrecipients = "all"\n',
        'domain."a.example".recipients: write "any", or a list of the local parts that exist',
    ),
    "an address without a port": (
        '[listen]\nsmtp = ["127.0.0.1"]\n',
        '\'127.0.0.1\': write an address as "host:port" or "[v6]:port"',
    ),
    "a port too high": (
        '[listen]\nhttp = ["127.0.0.1:65536"]\n',
        '\'127.0.0.1:65536\': write an address as "host:port" or "[v6]:port"',
    ),
    "a Pyzor server without a port": (
        '[pyzor]\nservers = ["pyzor.example"]\n',
        '\'pyzor.example\': write an address as "host:port" or "[v6]:port"',
    ),
    "a network that is none": (
        '[smtp]\nxclient_from = ["192.0.2.1/24"]\n',
        "smtp.xclient_from: 192.0.2.1/24 has host bits set",
    ),
    "a log of no kind": ('[server]\nlog = "xml"\n', 'server.log: write "json" or "human"'),
    "fewer workers than none": (
        "[server]\nworkers = -1\n",
        "server.workers: a number of processes, or 0 for one a core",
    ),
    "a store of no kind": ('[store]\nurl = "mysql://h/d"\n', 'store.url: write "sqlite:PATH"'),
    "a server that keeps nothing": ('[store]\nurl = "memory:"\n', 'store.url: "memory:" keeps nothing'),
    "RocksDB under several workers": (
        '[store]\nurl = "rocksdb:mail"\n',
        "store.url: RocksDB serves one process only; set server.workers = 1",
    ),
    "a limit that PostgreSQL cannot be given": (
        '[store]\nurl = "postgresql://h/d"\nmax_octets = 5\n',
        "store.max_octets: the size of a database is set where it runs",
    ),
    "no quarantine": ("[quarantine]\nkeep_days = 0\n", "quarantine.keep_days: at least 1"),
    "a limit of nothing": ("[limits]\nrecipients = 0\n", "limits.recipients: must be above 0"),
    "mails that never fit together": (
        "[limits]\ndata_octets_at_once = 1000\n",
        "limits.data_octets_at_once: at least limits.message_octets",
    ),
    "doubt the wrong way round": (
        "[model]\ndoubt = [0.9, 0.1]\n",
        "model.doubt: two probabilities in rising order",
    ),
}

ERRORS |= {
    "hostname with a line end": ('[server]\nhostname = "a\\r\\nX: y"', "server.hostname: a host name"),
    "DNS server without a port number": ('[dns]\nservers = ["x:y"]', "'x:y': write an address"),
    "DNS server by name": ('[dns]\nservers = ["dns.example:53"]', "dns.servers: 'dns.example:53': write an IP address"),
    "time that has passed": ("[dns]\ntimeout_s = -1", "dns.timeout_s, dns.seconds_per_mail and pyzor.timeout_s"),
    "trap that is no address": ('[traps]\naddresses = ["nope"]', "traps.addresses: 'nope' is no address"),
    "trap of two stars": (
        '[traps]\naddresses = ["*a*@b.example"]',
        "traps.addresses: '*a*@b.example' is no address",
    ),
    "trap that is a domain": (
        '[traps]\naddresses = ["*@example.com"]',
        "traps.addresses: '*@example.com' is no address",
    ),
    "domain of traps that is none": ('[traps]\ndomains = ["a@b.example"]', "traps.domains: 'a@b.example' is no domain"),
    "two scanners": ('[clamav]\nsocket = "s"\nhost = "h:1"', "clamav: socket or host, not both"),
    "scanner without a port": ('[clamav]\nhost = "h"', "'h': write an address"),
    "scanner without time": ('[clamav]\nsocket = "s"\ntimeout_s = 0.0', "clamav.timeout_s, clamav.max_octets and"),
    "scanner that fails somehow": ('[clamav]\non_failure = "accept"', 'clamav.on_failure: write "evidence" or "defer"'),
    "virus that is let through": ('[clamav]\non_virus = "accept"', 'clamav.on_virus: write "hold" or "refuse"'),
    "domain that is an address": ('[domain."ana@example.com"]', "domain: 'ana@example.com' is no domain name"),
}


@pytest.mark.parametrize(("text", "sentence"), ERRORS.values(), ids=ERRORS)
def test_each_error_says_where_and_what(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text if not text or "[domain" in text else f"{text}\n{DOMAIN}")
    assert str(error.value).startswith(sentence)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `mailward config example` prints one"):
        load(tmp_path / "mailward.toml")


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    for octets in (b"[server\n", b"\xff\xfe"):
        (tmp_path / "mailward.toml").write_bytes(octets)
        with pytest.raises(ConfigError, match="not valid TOML"):
            load(tmp_path / "mailward.toml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mailward.toml"
    path.write_text(DOMAIN)
    assert load(path).server.data == str(tmp_path / "data")


ADDRESSES = {"127.0.0.1:25": ("127.0.0.1", 25), "[::1]:25": ("::1", 25), "mx.example:0": ("mx.example", 0)}


@pytest.mark.parametrize(("text", "expected"), ADDRESSES.items(), ids=ADDRESSES)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text) == expected


@pytest.mark.parametrize("text", ["", ":25", "host:", "host:x", "host:-1", "host:²", "host:99999999999", "host"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        host_and_port(text)


@pytest.mark.parametrize("text", ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"])
def test_a_dns_server_is_an_address_with_or_without_a_port(text: str) -> None:
    host, port = dns_server(text)
    assert host in {"192.0.2.53", "2001:db8::53"} and port == (5353 if text.endswith(":5353") else 53)


def test_relays_and_networks() -> None:
    assert relay_of(Domain(deliver="smtp:[2001:db8::1]:2525")) == ("2001:db8::1", 2525)
    assert relay_of(Domain()) is None
    assert networks_of(("192.0.2.0/24", "::1")) == (ip_network("192.0.2.0/24"), ip_network("::1/128"))
