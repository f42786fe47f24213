"""One API request: check it as a whole, then run its calls in order. RFC 8620 §3.3 to §3.7."""

from typing import Any

import msgspec
import structlog

from protocols.http.problem import Problem
from protocols.jmap.context import KNOWN, Context
from protocols.jmap.errors import MethodError, request_problem
from protocols.jmap.methods import METHODS
from protocols.jmap.references import Invocation, resolve
from protocols.jmap.session import session_state
from store.blob.contract import BlobMissing
from store.kv.contract import StoreUnavailable

_log = structlog.get_logger()


class ApiRequest(msgspec.Struct, rename="camel", frozen=True):
    """RFC 8620 §3.3. Unknown members are ignored, as §3.3's extensions need."""

    using: list[str]
    method_calls: list[tuple[str, dict[str, Any], str]]
    created_ids: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(ApiRequest)
_any_decoder = msgspec.json.Decoder()


def parse_request(body: bytes, max_calls: int) -> ApiRequest:
    """Raises Problem notJSON, notRequest, limit or unknownCapability. RFC 8620 §3.6.1."""
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _why_refused(body, error) from error
    unknown = [name for name in request.using if name not in KNOWN]
    if unknown:
        raise request_problem("unknownCapability", f"{unknown[0][:200]!r} is not supported here")
    if len(request.method_calls) > max_calls:
        raise request_problem("limit", f"at most {max_calls} method calls", limit="maxCallsInRequest")
    return request


def _why_refused(body: bytes, error: Exception) -> Problem:
    try:
        _any_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as damage:
        return request_problem("notJSON", str(damage))
    return request_problem("notRequest", str(error))


async def run_calls(request: ApiRequest, context: Context) -> dict[str, Any]:
    """The response object. Never raises for what a method refuses. RFC 8620 §3.4."""
    context.created.update(request.created_ids or {})
    responses: list[Invocation] = []
    using = frozenset(request.using)
    for name, arguments, call_id in request.method_calls:
        try:
            method = METHODS.get(name)
            if method is None or method.capability not in using:
                raise MethodError("unknownMethod")
            answer = await method.run(context, resolve(arguments, responses))
            responses.append((name, answer, call_id))
        except MethodError as error:
            responses.append(("error", error.as_json(), call_id))
        except (StoreUnavailable, BlobMissing):  # missing: collected before its link, so it may come again
            responses.append(("error", {"type": "serverUnavailable"}, call_id))
        except Exception as fault:  # boundary: a defect in one method must not take the others' answers along
            _log.error("jmap.defect", method=name, account=context.account.id, exc_info=fault)
            responses.append(("error", {"type": "serverFail", "description": "it was logged"}, call_id))
    answer = {"methodResponses": responses, "sessionState": session_state(context.account, context.settings)}
    if request.created_ids is not None:
        answer["createdIds"] = context.created
    return answer
