"""A mail as rules see it, and the language of a text."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from gateway.checks.url import look as look_at_urls
from gateway.envelope import Peer
from gateway.policy.language import language_of
from gateway.policy.sight import Asked, sight_of
from tests.support.facts import authenticated, envelope, facts, mail, with_attachment

ASKED = Asked(frozenset({"x-mailer"}), True)


def test_a_mail_as_rules_see_it() -> None:
    text = "The invoice is at https://shop.example/7 and we will send it to you on Friday, as you have asked for."
    seen = facts(mail(text, X_Mailer="=?utf-8?q?B=C3=BClk?="), auth=authenticated("shop.example"))
    sight = sight_of(seen, look_at_urls(seen), ASKED)
    assert (sight.author, sight.author_domain, sight.helo) == ("ana@shop.example", "shop.example", "mx.shop.example")
    assert (sight.subject, sight.url_hosts, sight.headers) == (
        "Lunch tomorrow", ("shop.example",), (("x-mailer", "Bülk"),),
    )  # fmt: skip
    assert (sight.is_authentic, sight.is_first_contact, sight.language) == (True, True, "en")
    assert sight.size == len(seen.message.octets)


def test_attachments_are_seen_by_name() -> None:
    assert sight_of(facts(with_attachment("run.exe", b"MZ")), [], ASKED).attachments == ("run.exe",)


def test_of_several_authors_none_is_proven() -> None:
    two = mail(From="Ana <ana@shop.example>, Eve <eve@evil.example>")
    assert not sight_of(facts(two, auth=authenticated("shop.example")), [], ASKED).is_authentic


def test_a_mapped_address_is_the_one_in_it() -> None:
    sent = replace(envelope(), peer=Peer(ip_address("::ffff:192.0.2.7"), 1, "mx"))
    assert sight_of(facts(mail(), envelope=sent), [], ASKED).ip == ip_address("192.0.2.7")


LANGUAGES = {
    "en": "We have received your order and it will be sent to you on Monday. Please tell us if that is not fine.",
    "de": "Wir haben Ihre Bestellung erhalten und sie wird am Montag für Sie verschickt. Ist das gut?",
    "fr": "Nous avons reçu votre commande et elle est pour vous dans le magasin. Merci et au revoir.",
    "es": "Hemos recibido el pedido para usted y se envía con las cosas que pidió. Gracias por su compra de la semana.",
    "it": "Abbiamo ricevuto il vostro ordine che è per voi nella sede. Grazie, non sono con le altre cose.",
    "nl": "Wij hebben uw bestelling ontvangen en het wordt op maandag aan u verzonden. Dat is niet zo.",
    "pl": "Otrzymaliśmy zamówienie i jest ono dla pana w sklepie. Proszę o odpowiedź, czy się nie zmienia.",
    "ru": "Мы получили ваш заказ, и он будет отправлен в понедельник.",
    "el": "Λάβαμε την παραγγελία σας και θα σταλεί τη Δευτέρα.",
    "ja": "ご注文を受け取りました。月曜日に発送いたします。",
    "zh": "我们已收到您的订单，将于星期一发货。",
    "ko": "주문을 받았습니다. 월요일에 발송됩니다.",
    "": "ok 12345",
}


@pytest.mark.parametrize(("language", "text"), LANGUAGES.items(), ids=[name or "none" for name in LANGUAGES])
def test_the_language_of_a_text(language: str, text: str) -> None:
    assert language_of(text) == language
