"""What answers mean, list by list, and that refusals and nonsense never condemn a mail."""

from typing import Any

import pytest

from gateway.dnslists.definition import REFUSED, BadList, known_lists, read_list


@pytest.mark.parametrize(
    ("name", "answers", "meanings"),
    [
        ("spamhaus-zen", ["127.0.0.2"], {"client-spam"}),
        ("spamhaus-zen", ["127.0.0.2", "127.0.0.9"], {"client-spam", "client-hijacked"}),
        ("spamhaus-zen", ["127.0.0.11"], {"client-dynamic"}),
        ("spamhaus-zen", ["127.0.0.7", "127.0.0.10"], {"client-compromised", "client-dynamic"}),
        ("spamhaus-zen", ["127.0.0.200"], set()),
        ("spamhaus-zen", ["127.255.255.254"], {REFUSED}),
        ("spamhaus-zen", ["127.0.0.2", "127.255.255.255"], {REFUSED}),
        ("spamhaus-dbl", ["127.0.1.4"], {"domain-phish"}),
        ("spamhaus-dbl", ["127.0.1.255"], {REFUSED}),
        ("spamhaus-zrd", ["127.0.2.13"], {"domain-new"}),
        ("surbl", ["127.0.0.80"], {"domain-malware", "domain-spam"}),
        ("surbl", ["127.0.0.8", "127.0.0.128"], {"domain-phish", "domain-abused"}),
        ("surbl", ["127.0.0.1"], {REFUSED}),
        ("uribl", ["127.0.0.1"], {REFUSED}),
        ("uribl", ["127.0.0.14"], {"domain-spam", "domain-grey"}),
        ("dnswl", ["127.0.9.3"], {"client-trusted"}),
        ("dnswl", ["127.0.9.0"], set()),
        ("dnswl", ["127.0.0.255"], {REFUSED}),
        ("mailspike", ["127.0.0.12"], {"client-spam"}),
        ("mailspike", ["127.0.0.16"], set()),
        ("spamcop", ["203.0.113.80"], {REFUSED}),
        ("spamcop", ["not an address"], set()),
        ("spamcop", [], set()),
    ],
)
def test_answers_mean(name: str, answers: list[str], meanings: set[str]) -> None:
    assert known_lists()[name].meanings(answers) == meanings


def test_every_bit_of_a_combined_answer_is_read() -> None:
    surbl = known_lists()["surbl"]
    assert surbl.meanings(["127.0.0.216"]) == {"domain-phish", "domain-malware", "domain-spam", "domain-abused"}


GOOD: dict[str, Any] = {"zone": "bl.example.test", "asks": ["client"], "answers": {"127.0.0.2": "client-spam"}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"asks": []}, "asks is a list of"),
        ({"asks": ["clients"]}, "asks is a list of"),
        ({"answers": {}}, "say what its answers mean"),
        ({"answers": {"127.0.0.2": "bad"}}, "'bad' is no meaning"),
        ({"answers": {"192.0.2.1": "client-spam"}}, "write 127.0.0.2"),
        ({"answers": {"127.0.0.9-4": "client-spam"}}, "an empty range"),
        ({"answers": {"127.0.0.9-400": "client-spam"}}, "an empty range"),
        ({"bits": {"3": "client-spam"}}, "is not one of 1, 2, 4"),
        ({"bits": {"x": "client-spam"}}, "is not one of 1, 2, 4"),
        ({"pattern": "("}, "pattern"),
        ({"zoned": "x"}, "zoned is not known here"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_list_that_cannot_be_used_says_why(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadList, match="mine: ") as raised:
        read_list("mine", {**GOOD, **change})
    assert told in str(raised.value)
