"""Between dnspython's records and ours, in both directions. Imported only where packets are made or read."""

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT

from gateway.dns.resolver import Answer, Mx, Record, Status, Tlsa, Txt

MAX_RECORDS = 200  #: of one answer; a name with more is not worth reading to the end


def wire_name(name: str) -> dns.name.Name:
    """A name from plain text in which no backslash is special. The name must be normal."""
    return dns.name.Name([*(label.encode("ascii") for label in name.split(".")), b""])


def plain_name(name: dns.name.Name) -> str:
    """A wire name as lower-case text without the final dot; octets outside ASCII become "?"."""
    labels = (label.decode("ascii", "replace").replace("\ufffd", "?") for label in name.labels if label)
    return ".".join(labels).lower()


def read_record(rdata: dns.rdata.Rdata) -> Record | None:
    """Our form of a record, None for a type that nobody here asks for."""
    if isinstance(rdata, dns.rdtypes.ANY.MX.MX):
        return Mx(rdata.preference, plain_name(rdata.exchange))
    if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return Txt(tuple(rdata.strings))
    if isinstance(rdata, dns.rdtypes.ANY.TLSA.TLSA):
        return Tlsa(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)
    if rdata.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
        return str(rdata.address)  # type: ignore[attr-defined]  # of both address types
    if rdata.rdtype in (dns.rdatatype.PTR, dns.rdatatype.CNAME, dns.rdatatype.NS):
        return plain_name(rdata.target)  # type: ignore[attr-defined]  # of all three name types
    return None


def read_response(name: str, rdtype: str, response: dns.message.QueryMessage) -> Answer:
    """The answer in a response with code NOERROR or NXDOMAIN. Raises dns.exception.DNSException on a bad chain."""
    chain = response.resolve_chaining()
    authenticated = bool(response.flags & dns.flags.AD)
    ttl_s = int(chain.minimum_ttl)
    if chain.answer is None:
        gone = response.rcode() == dns.rcode.NXDOMAIN
        return Answer(
            name, rdtype, (), Status.NXDOMAIN if gone else Status.NODATA, _denial_ttl(response), authenticated
        )
    read = (read_record(rdata) for rdata in list(chain.answer)[:MAX_RECORDS])
    records = tuple(record for record in read if record is not None)
    return Answer(name, rdtype, records, Status.OK if records else Status.NODATA, ttl_s, authenticated)


def _denial_ttl(response: dns.message.QueryMessage) -> int:
    """Lesser of the SOA's TTL and its minimum field; 0 without one. RFC 2308 §5."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min([rrset.ttl, *(int(rdata.minimum) for rdata in rrset)])
    return 0
