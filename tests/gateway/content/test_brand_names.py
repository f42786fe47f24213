"""Honest names that resemble a famous one, and names that fraud makes of them: both are counted."""

import pytest

from gateway.content.brands import ORDINARY_WORDS, brand_domains
from gateway.content.hosts import to_ascii
from gateway.content.lookalike import Match, lookalike

_HONEST = (
    # dictionary words and names that hold or neighbour a brand
    "applepie.com appleton.edu appleby.org applebees.com pineapple.com snapple.com grapple.org apples.com "
    "applewood.net ample.com apply.com applegate.com applecross.org.uk bigappletours.com "
    "appletreecottage.co.uk apple-orchard.org amazonas.gov.br amazonia.org amazonrainforest.org amazing.com "
    "rainforest-amazon.org dropbear.net dropshop.com inbox.com boxdrop.com steamboat.com steamship.org "
    "steamcleaning.co.uk steampunk.com teamviewer.com teams.org stream.com steamtown.org upside.com "
    "ups-and-downs.org upstairs.com startups.com pickups.net cups.org groups.com backups.io fedora.org "
    "fedexforum.com dhlab.eu dha.com dhi.org goggle.com googol.com googly.org oogle.com boggle.com ogle.com "
    "linked.com linking.net linkedlist.org metamorph.com metallic.com metal.com masterclass.com "
    "mastercraft.com mastering.com netflow.com network.com netlify.com paypoint.com paypath.com paylocity.com "
    "payday.com payroll.com repay.com spotlight.com spotted.org spotifyer.org adobehouse.com adobo.com "
    "abode.com adobe-bricks.org doberman.org ebbay.org bay.com ebayliss.co.uk eby.com wellspring.com "
    "farwell.org western.edu unionwestern.edu westernunionhigh.edu windowsill.com windowshopping.com "
    "officeworks.com.au officedepot.com liverpool.ac.uk lives.com alive.com outlookindia.com metabolic.org "
    "azureus.org coinbasket.org coinage.com finance.com binary.com whatnot.com instagrammer.org instant.com "
    "telegram.org santa.org santander-city.es yearbook.org notebook.com microsoftware.org microscope.com "
    "micros.com microsoccer.com google.fr google.com.br amazon.nl amazon.com.mx paypal.me microsoft.de dhl.fr "
    "ebay.it netflix.net spotify.de "
)
HONEST = _HONEST.split()

_FRAUD = (
    # letters that look alike
    "paypa1.com paypai.com rnicrosoft.com micros0ft.com arnazon.com arnazon.de amaz0n.com app1e.com g00gle.com "
    "goog1e.com faceb00k.com 1inkedin.com llnkedin.com netf1ix.com vvellsfargo.com vvhatsapp.com dropb0x.com "
    "d0cusign.com docuslgn.com lnstagram.com blnance.com c0inbase.com coinbasc.net santandcr.com "
    # IDN, mixed and whole script
    "раураl.com аррӏе.com аmazon.com microsоft.com gооgle.com fаcebook.com nеtflix.com ѕteampowered.com "
    "pаypal.com ebаy.com linkedіn.com paypàl.com àpple.com micrösoft.com gõogle.com "
    # neighbours on the keyboard, swapped, doubled and dropped letters
    "paypsl.com oaypal.com netflux.com nerflix.com microsift.com mucrosoft.com faceboik.com facebool.com "
    "amazom.com amazpn.com dropbix.com googlw.com linkedim.com instagran.com whatsaop.com paypall.com "
    "payapl.com mircosoft.com microsfot.com amzaon.com netlfix.com faecbook.com facebok.com gooogle.com "
    "linkdin.com coibnase.com docusing.com spotfy.com metamaskk.io santnader.com "
    # words added
    "paypal-security.com paypal-verify.net secure-paypal.com paypalsupport.net login-microsoft.com "
    "microsoft-login.net microsoftonline-auth.com amazon-prime-account.com amazon-orders.net "
    "apple-id-verify.com appleid-support.com icloud-unlock.com netflix-billing.net netflixpayment.com "
    "dhl-tracking.net dhl-parcel.info fedex-delivery.net ups-tracking.org usps-redelivery.com usps-parcel.net "
    "docusign-documents.com dropbox-share.net wellsfargo-alert.com bankofamerica-secure.com "
    "coinbase-wallet.net metamask-verify.io facebook-security.net instagram-verified.com binance-login.net "
    "office365-login.com onedrive-share.net ebay-support.net linkedin-invite.com "
    # other endings, split by hyphens, real names as subdomains
    "paypal.top paypal.shop apple.xyz microsoft.icu netflix.vip amazon.buzz dhl.club pay-pal.com face-book.com "
    "drop-box.net micro-soft.com net-flix.com docu-sign.com paypal.com.evil.test www.paypal.com-login.test "
    "appleid.apple.com.verify.test accounts.google.com.evil.test login.microsoftonline.com.evil.test "
    "amazon.com.account-update.test secure.paypal.com.cgi.test netflix.com-billing.test "
    "paypal.account-verify.test microsoft.secure-login.test dhl.parcel-track.test "
)
FRAUD = _FRAUD.split()


def found(host: str) -> Match | None:
    return lookalike(to_ascii(host), brand_domains(), endings=False, words=ORDINARY_WORDS)


@pytest.mark.parametrize("host", HONEST)
def test_an_honest_name_is_no_imitation(host: str) -> None:
    assert found(host) is None


@pytest.mark.parametrize("host", FRAUD)
def test_a_fraudulent_name_is_found(host: str) -> None:
    assert found(host) is not None
