"""What one JMAP client may ask for. The first block is told to clients in the session object."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JmapSettings:
    max_upload_octets: int = 50_000_000
    max_concurrent_uploads: int = 4  #: of one account in one worker
    max_request_octets: int = 10_000_000
    max_concurrent_requests: int = 8  #: of one account in one worker
    max_calls: int = 32  #: method calls in one request
    max_get: int = 500  #: objects in one /get
    max_set: int = 500  #: creates, updates and destroys in one /set

    public_url: str = ""  #: "https://mail.example", "" means as the client's Host header has it
    max_results: int = 10_000  #: ids in one /query
    max_changes: int = 10_000  #: ids in one /changes
    scan_rows: int = 3_000_000  #: emails whose rows or places one query may look at
    search_octets: int = 64_000_000  #: of mails one query may read: those not indexed yet, and headers
    search_s: float = 20.0  #: the same in time
    remembered_text_octets: int = 32_000_000  #: of mails that searches read, kept by a worker for the next one
    body_value_octets: int = 20_000_000  #: of all body values in one Email/get
    read_octets: int = 200_000_000  #: of mails one method call may read
    filter_depth: int = 16
    filter_conditions: int = 100
    uploads_waiting: int = 1_000  #: uploads of one account that no email uses yet
    uploads_waiting_octets: int = 500_000_000
    upload_keep_s: int = 24 * 3600  #: how long an upload that no email uses is kept
    event_sources: int = 20  #: of one account in one worker
    event_ping_min_s: float = 30.0  #: clients that want to be pinged more often are pinged this often
    event_stream_s: float = 3_600.0  #: then the client must come back and prove itself again
    event_poll_s: float = 30.0  #: how often an event source looks for itself
