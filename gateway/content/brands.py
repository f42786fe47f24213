"""Names that fraud borrows everywhere, and the domains their owners really use.

A short list of facts, not a blocklist: a name here only matters when a mail shows it and comes from, or leads to,
somewhere else. What an installation must watch for itself belongs in its configuration.
"""

from functools import cache

#: Name as written in sender names, then the registrable domains that may carry it.
BRANDS: dict[str, tuple[str, ...]] = {
    "adobe": ("adobe.com", "adobesign.com", "adobe.io", "adobelogin.com"),
    "amazon": (
        "amazon.com",
        "amazon.co.uk",
        "amazon.de",
        "amazon.fr",
        "amazon.co.jp",
        "amazon.it",
        "amazon.es",
        "amazonpay.com",
    ),
    "american express": ("americanexpress.com", "aexp.com"),
    "apple": ("apple.com", "icloud.com", "me.com", "appleid.com", "applemusic.com", "applestore.com"),
    "bank of america": ("bankofamerica.com", "bofa.com"),
    "binance": ("binance.com",),
    "coinbase": ("coinbase.com",),
    "dhl": ("dhl.com", "dhl.de", "dhl.co.uk"),
    "docusign": ("docusign.com", "docusign.net"),
    "dropbox": ("dropbox.com", "dropboxmail.com"),
    "ebay": ("ebay.com", "ebay.co.uk", "ebay.de", "ebay.fr", "ebayinc.com"),
    "facebook": ("facebook.com", "facebookmail.com", "meta.com", "fb.com"),
    "fedex": ("fedex.com",),
    "google": ("google.com", "youtube.com", "goo.gl", "googlemail.com", "gmail.com", "google.de", "google.co.uk"),
    "hsbc": ("hsbc.com", "hsbc.co.uk"),
    "instagram": ("instagram.com", "facebookmail.com"),
    "linkedin": ("linkedin.com",),
    "mastercard": ("mastercard.com",),
    "metamask": ("metamask.io",),
    "microsoft": (
        "microsoft.com",
        "microsoftonline.com",
        "office.com",
        "office365.com",
        "live.com",
        "outlook.com",
        "sharepoint.com",
        "windows.com",
        "azure.com",
        "msn.com",
        "onmicrosoft.com",
        "microsoftstore.com",
        "windowsupdate.com",
        "windows.net",
        "hotmail.com",
        "onedrive.com",
    ),
    "netflix": ("netflix.com",),
    "paypal": ("paypal.com", "paypal.co.uk", "paypal.de", "paypal.fr", "paypal-communication.com", "paypal-gifts.com"),
    "santander": ("santander.com", "santander.co.uk", "santander.es", "santanderbank.com"),
    "spotify": ("spotify.com",),
    "steam": ("steampowered.com", "steamcommunity.com", "valvesoftware.com"),
    "ups": ("ups.com", "theupsstore.com"),
    "usps": ("usps.com", "usps.gov"),
    "wells fargo": ("wellsfargo.com",),
    "western union": ("westernunion.com",),
    "whatsapp": ("whatsapp.com", "facebookmail.com"),
}

#: Names among these domains that are ordinary words; an honest "liveupdate" is no imitation.
ORDINARY_WORDS = frozenset({"live", "office", "windows", "meta", "outlook", "me", "azure", "steam"})

#: Products that speak for their maker.
ALIASES: dict[str, str] = {
    "office 365": "microsoft",
    "office365": "microsoft",
    "microsoft 365": "microsoft",
    "onedrive": "microsoft",
    "sharepoint": "microsoft",
    "outlook": "microsoft",
    "icloud": "apple",
    "itunes": "apple",
    "apple id": "apple",
    "gmail": "google",
    "meta business": "facebook",
    "dhl express": "dhl",
    "ups express": "ups",
    "fedex express": "fedex",
    "usps tracking": "usps",
}

_OFFICES = (
    "account accounts alert alerts billing care center centre com customer delivery department express fraud help "
    "helpdesk id inc info limited ltd mail member message no noreply notice notification notifications official online "
    "payments reply security service services support team the update verification"
)
#: Words that may follow a brand in a sender's name without making it another name.
OFFICES = frozenset(_OFFICES.split())


@cache
def brand_domains() -> tuple[str, ...]:
    """Every domain of every brand, for look-alike searches."""
    return tuple(dict.fromkeys(d for domains in BRANDS.values() for d in domains))


def domains_of(brand: str) -> tuple[str, ...]:
    return BRANDS[ALIASES.get(brand, brand)]
