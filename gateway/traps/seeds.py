"""Names for spam traps that look like people and roles, and where to plant them so that only harvesters find them."""

from collections.abc import Iterator
from random import Random

#: In turn, one a trap: the first ones do the most.
PLACES = (
    'on a web page, in a link that people do not see: <a href="mailto:..." style="display:none" aria-hidden="true">',
    "in the WHOIS record of a domain you let lapse, or of one you hold for no mail",
    "as the address of somebody who left years ago: in old staff lists and old public documents",
    "in a comment of a web page's source, or in its meta tags",
    "in the author field of a document that the web site offers (PDF, Office)",
    "in a mailing-list archive or a news post of long ago, as a signature",
    "in the contact file of a piece of software that is no longer kept (package metadata, README)",
    "on a page that robots.txt forbids and nothing links to",
)

_FIRST = """
adam alice andrea anna bernd boris carla carol clara daniel dora edgar elena emil erik eva felix fiona frank greta
hanna hugo ida igor ingrid ivan jana jonas julia karl karen klara laura leo lena lukas marco marta max mia nadia
nina nora olaf oscar paula peter rita robert rosa sara sven theo thomas tina tom ulla vera victor walter wanda
"""
_LAST = """
adler anders bauer becker berg blanc bosch brandt castro cole dietrich engel fischer ford fuchs garcia graf haas
hansen hart hill hoffman jansen keller klein koch kramer lang lee lopez marsh meyer moreau moser nowak olsen otto
palmer peters reed rossi roth sauer schmitt silva simon stein thorn vogel wagner walsh weber winter wolf young
"""
_SHAPES = ("{f}.{l}", "{f}.{l}", "{i}.{l}", "{i}{l}", "{f}{l}", "{f}_{l}", "{l}.{f}", "{f}.{l}{n}")
_TRIES = 5_000


def local_parts(chance: Random) -> Iterator[str]:
    """Local parts, none twice, and in the end no more. ``chance`` decides, so that nobody can guess a house's traps."""
    seen: set[str] = set()
    firsts, lasts = _FIRST.split(), _LAST.split()
    for _ in range(_TRIES):
        first, last = chance.choice(firsts), chance.choice(lasts)
        shape = chance.choice(_SHAPES)
        name = shape.format(f=first, l=last, i=first[0], n=chance.randint(60, 99))
        if name not in seen:
            seen.add(name)
            yield name
