"""Numbers and keys that can be told for sure, and their doubles that are none."""

import time

import pytest

from gateway.content.secrets import count

KEY = "-----BEGIN {kind}PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n"


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        pytest.param("iban", "DE89 3704 0044 0532 0130 00", 1, id="iban-spaced"),
        pytest.param("iban", "Please pay to DE89370400440532013000 today", 1, id="iban-in-text"),
        pytest.param("iban", "de89 3704 0044 0532 0130 00 and half", 1, id="iban-before-words"),
        pytest.param("iban", "DE89370400440532013000 GB82 WEST 1234 5698 7654 32", 2, id="two-ibans"),
        pytest.param("iban", "NO93 8601 1117 947", 1, id="shortest"),
        pytest.param("iban", "MT84 MALT 0110 0001 2345 MTLC AST0 01S", 1, id="longest"),
        pytest.param("iban", "DE89370400440532013000, DE89 3704 0044 0532 0130 00", 1, id="the-same-twice"),
        pytest.param("iban", "DE88 3704 0044 0532 0130 00", 0, id="wrong-remainder"),
        pytest.param("iban", "DE89 3704 0044 0532 0130", 0, id="too-short"),
        pytest.param("iban", "XX89370400440532013000", 0, id="no-country"),
        pytest.param("iban", "orderDE89370400440532013000", 0, id="within-a-word"),
        pytest.param("card", "4111 1111 1111 1111", 1, id="visa"),
        pytest.param("card", "4111-1111-1111-1111 12/27", 1, id="dashes-and-date"),
        pytest.param("card", "no 12 5555555555554444 CVV 123", 1, id="between-numbers"),
        pytest.param("card", "378282246310005 and 6011111111111117 and 30569309025904", 3, id="other-issuers"),
        pytest.param("card", "4111 1111 1111 1112", 0, id="wrong-digit"),
        pytest.param("card", "4111 1111 1111 11", 0, id="too-short-for-its-issuer"),
        pytest.param("card", "9111111111111111", 0, id="no-issuer"),
        pytest.param("card", "41111111111111110000000", 0, id="part-of-a-longer-number"),
        pytest.param("card", "4444444444444448", 1, id="two-digits-only"),
        pytest.param("card", "+49 30 1234567 890123", 0, id="telephone"),
        pytest.param("private-key", KEY.format(kind=""), 1, id="pkcs8"),
        pytest.param("private-key", KEY.format(kind="RSA "), 1, id="rsa"),
        pytest.param("private-key", KEY.format(kind="OPENSSH "), 1, id="ssh"),
        pytest.param(
            "private-key",
            KEY.format(kind="RSA ").replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"),
            1,
            id="with-a-password",
        ),
        pytest.param("private-key", "-----BEGIN PRIVATE KEY----- is how it starts", 0, id="only-told-of"),
        pytest.param("private-key", KEY.format(kind="").replace("PRIVATE", "PUBLIC"), 0, id="public"),
    ],
)
def test_what_is_found(kind: str, text: str, found: int) -> None:
    assert count(kind, text) == found


@pytest.mark.parametrize(
    "text",
    ["1 " * 500_000, "4" * 1_000_000, "DE89" * 250_000, "DE89 " * 200_000, "-----BEGIN PRIVATE KEY-----\n" * 37_000],
    ids=["digits", "one-number", "countries", "spaced-countries", "headers"],
)
@pytest.mark.parametrize("kind", ["iban", "card", "private-key"])
def test_a_megabyte_of_almost_is_read_in_time(kind: str, text: str) -> None:
    start = time.process_time()
    count(kind, text)
    assert time.process_time() - start < 4.0
