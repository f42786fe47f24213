"""Arguments of MAIL and RCPT: what is a path, and what is said about what is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.paths import MAX_PATH_OCTETS, BadPath, parse_path

LONG_LOCAL = "a" * 64
LONG_DOMAIN = ".".join(["d" * 40] * 4)

GOOD = {
    "plain": ("FROM:<ana@shop.example>", "ana@shop.example"),
    "space before the bracket": ("FROM: <ana@shop.example>", "ana@shop.example"),
    "keyword in lower case": ("from:<ana@shop.example>", "ana@shop.example"),
    "null path": ("FROM:<>", ""),
    "domain lower-cased, local part kept": ("FROM:<Ana@SHOP.Example>", "Ana@shop.example"),
    "dot at the end of the domain": ("FROM:<ana@shop.example.>", "ana@shop.example"),
    "every special character": ("FROM:<a!#$%&'*+-/=?^_`{|}~b@shop.example>", "a!#$%&'*+-/=?^_`{|}~b@shop.example"),
    "quoted local part": ('FROM:<"ana ruiz"@shop.example>', '"ana ruiz"@shop.example'),
    "quoted at sign": ('FROM:<"ana@home"@shop.example>', '"ana@home"@shop.example'),
    "quoted backslash": (r'FROM:<"a\"b\\"@shop.example>', r'"a\"b\\"@shop.example'),
    "needless quotes mean nothing": ('FROM:<"ana.ruiz"@shop.example>', "ana.ruiz@shop.example"),
    "empty quotes": ('FROM:<""@shop.example>', '""@shop.example'),
    "source route is ignored": ("FROM:<@a.example,@b.example:ana@shop.example>", "ana@shop.example"),
    "address literal": ("FROM:<ana@[192.0.2.1]>", "ana@[192.0.2.1]"),
    "IPv6 literal": ("FROM:<ana@[IPv6:2001:db8::1]>", "ana@[ipv6:2001:db8::1]"),
    "IDN": ("FROM:<ana@bücher.example>", "ana@bücher.example"),
    "UTF-8 local part": ("FROM:<añá@shop.example>", "añá@shop.example"),
    "single label": ("FROM:<ana@localhost>", "ana@localhost"),
    "underscore in a label": ("FROM:<ana@x_y.shop.example>", "ana@x_y.shop.example"),
    "longest local part": (f"FROM:<{LONG_LOCAL}@shop.example>", f"{LONG_LOCAL}@shop.example"),
}

BAD = {
    "nothing": ("", "5.5.4"),
    "other keyword": ("TO:<ana@shop.example>", "5.5.4"),
    "no colon": ("FROM <ana@shop.example>", "5.5.4"),
    "no brackets": ("FROM:ana@shop.example", "5.1.7"),
    "unclosed": ("FROM:<ana@shop.example", "5.1.7"),
    "no domain": ("FROM:<ana>", "5.1.7"),
    "postmaster is no sender": ("FROM:<postmaster>", "5.1.7"),
    "empty domain": ("FROM:<ana@>", "5.1.7"),
    "empty local part": ("FROM:<@shop.example>", "5.1.7"),
    "two dots": ("FROM:<ana..ruiz@shop.example>", "5.1.7"),
    "dot first": ("FROM:<.ana@shop.example>", "5.1.7"),
    "two at signs": ("FROM:<ana@home@shop.example>", "5.1.7"),
    "space in the local part": ("FROM:<ana ruiz@shop.example>", "5.1.7"),
    "hyphen first in a label": ("FROM:<ana@-shop.example>", "5.1.7"),
    "hyphen last in a label": ("FROM:<ana@shop-.example>", "5.1.7"),
    "empty label": ("FROM:<ana@shop..example>", "5.1.7"),
    "control character": ("FROM:<a\x01b@shop.example>", "5.1.7"),
    "control character in quotes": ('FROM:<"a\x01b"@shop.example>', "5.1.7"),
    "line feed at the end": ("FROM:<ana@shop.example>\n<", "5.5.4"),
    "C1 control character": ("FROM:<a\x85b@shop.example>", "5.1.7"),
    "octets that are not UTF-8": ("FROM:<a\udcffb@shop.example>", "5.1.7"),
    "octets that are not UTF-8, in the domain": ("FROM:<ana@sh\udcffop.example>", "5.1.7"),
    "octets that are not UTF-8, in quotes": ('FROM:<"a\udcffb"@shop.example>', "5.1.7"),
    "glued parameter": ("FROM:<ana@shop.example>SIZE=1", "5.1.7"),
    "local part of 65": (f"FROM:<a{LONG_LOCAL}@shop.example>", "5.1.7"),
    "local part of 65 octets in UTF-8": (f"FROM:<{'ä' * 33}@shop.example>", "5.1.7"),
    "path of 257": (f"FROM:<{LONG_LOCAL}@{LONG_DOMAIN}.{'e' * (257 - 3 - 64 - 164)}>", "5.1.7"),
    "endless": ("FROM:<" + "a" * 5_000 + "@shop.example>", "5.5.4"),
    "parameter without a name": ("FROM:<ana@shop.example> =1", "5.5.4"),
    "parameter without a value": ("FROM:<ana@shop.example> SIZE=", "5.5.4"),
    "parameter with two equal signs": ("FROM:<ana@shop.example> SIZE=1=2", "5.5.4"),
    "parameter not in ASCII": ("FROM:<ana@shop.example> SIZE=ä", "5.5.4"),
    "parameter twice": ("FROM:<ana@shop.example> SIZE=1 size=1", "5.5.4"),
}


@pytest.mark.parametrize(("argument", "address"), GOOD.values(), ids=GOOD)
def test_good_paths(argument: str, address: str) -> None:
    assert parse_path(argument, "FROM").address == address


@pytest.mark.parametrize(("argument", "enhanced"), BAD.values(), ids=BAD)
def test_bad_paths(argument: str, enhanced: str) -> None:
    with pytest.raises(BadPath) as refusal:
        parse_path(argument, "FROM")
    assert refusal.value.enhanced == enhanced


def test_a_recipient_that_is_malformed_is_a_bad_destination() -> None:
    with pytest.raises(BadPath) as refusal:
        parse_path("TO:<ana>", "TO")
    assert refusal.value.enhanced == "5.1.3"


@pytest.mark.parametrize("name", ["postmaster", "Postmaster", "POSTMASTER"])
def test_postmaster_needs_no_domain(name: str) -> None:
    assert parse_path(f"TO:<{name}>", "TO").address == "postmaster"


def test_the_longest_path_is_taken() -> None:
    domain = f"{LONG_DOMAIN}.{'e' * (MAX_PATH_OCTETS - 3 - 64 - 164)}"
    assert parse_path(f"TO:<{LONG_LOCAL}@{domain}>", "TO").address == f"{LONG_LOCAL}@{domain}"


def test_parameters_are_given_by_name_in_upper_case() -> None:
    path = parse_path("FROM:<ana@shop.example>  size=100 BODY=8BITMIME\tSMTPUTF8", "FROM")
    assert path.parameters == {"SIZE": "100", "BODY": "8BITMIME", "SMTPUTF8": ""}


WIRE = st.one_of(
    st.text(alphabet='<>@.:,"\\ []=-_aZ9ä\x00\r\n\udc80', max_size=80),
    st.binary(max_size=80).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)


@given(WIRE)
def test_any_argument_gives_a_path_or_a_refusal(text: str) -> None:
    for argument in (text, f"FROM:{text}", f"FROM:<{text}>", f"FROM:<{text}@shop.example>"):
        try:
            path = parse_path(argument, "FROM")
        except BadPath as refusal:
            assert refusal.enhanced.startswith("5.")
            assert str(refusal).isprintable()
        else:
            assert len(path.address.encode()) <= MAX_PATH_OCTETS - 2
            assert all(c.isprintable() or c.isspace() for c in path.address) or not path.address.isascii()


@given(WIRE)
def test_what_was_read_reads_the_same_again(text: str) -> None:
    try:
        path = parse_path(f"FROM:<{text}>", "FROM")
    except BadPath:
        return
    assert parse_path(f"FROM:<{path.address}>", "FROM").address == path.address


@pytest.mark.parametrize(
    "stuffing",
    ["a", "a.", "a-", "@a,", "@a-", '"a', r"\"", "[", "a@a.", "ä", " ", "A=1 ", "a@" + "b-" * 9],
)
def test_reading_takes_linear_time(stuffing: str) -> None:
    """The longest argument that is read at all; a quadratic pattern would take a hundred times longer."""
    argument = "FROM:<" + (stuffing * 2_000)[:1_990]
    start = time.process_time()
    for _ in range(10):
        with pytest.raises(BadPath):
            parse_path(argument, "FROM")
    assert time.process_time() - start < 0.2
