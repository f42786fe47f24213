"""Mail providers where anybody has an address: fine for people, odd for banks."""

_BY_REGION = (
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com rocketmail.com aol.com "
    "icloud.com me.com mac.com proton.me protonmail.com pm.me tutanota.com tuta.io zoho.com zohomail.com mail.com "
    "gmx.com fastmail.com hushmail.com inbox.com "
    "gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de mail.de posteo.de mailbox.org "
    "yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.co.jp yahoo.co.in yahoo.com.br yahoo.ca hotmail.co.uk "
    "hotmail.fr hotmail.de hotmail.es hotmail.it outlook.de outlook.fr outlook.es live.co.uk live.fr live.nl "
    "orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it tiscali.it alice.it "
    "yandex.ru yandex.com mail.ru bk.ru list.ru inbox.ru rambler.ru ukr.net seznam.cz centrum.cz wp.pl o2.pl onet.pl "
    "interia.pl abv.bg freemail.hu citromail.hu "
    "qq.com 163.com 126.com sina.com foxmail.com yeah.net naver.com daum.net hanmail.net rediffmail.com "
    "uol.com.br bol.com.br terra.com.br btinternet.com sky.com comcast.net verizon.net att.net sbcglobal.net cox.net"
)
FREEMAIL = frozenset(_BY_REGION.split())


def is_freemail(domain: str) -> bool:
    return domain.lower() in FREEMAIL
