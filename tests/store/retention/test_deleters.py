"""Whoever lets mail or evidence go asks ``may_delete``; a new one that does not is found here.

The code is read: every function that unlinks octets, destroys an email, discards a blob or deletes rows of mail, held
mail, traces or the audit trail must stand below, with the question it asks, or with the reason why it need not.
"""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[3]
EVIDENCE = {"TRACE", "HELD", "AUDIT", "HOLD", "RULE", "email", "kept_email", "kept_state", "scope", "SCOPE"}

#: The question asked within the function; it must stand in its code.
ASKS: dict[str, str] = {
    "store/mail/emails.py:destroy": "kept.let_go",
    "store/mail/kept.py:drop_what_may_go": "may_delete",
    "store/quarantine/held.py:settle": "_settled",
    "store/quarantine/held.py:drop_what_may_go": "may_delete",
    "store/trace/rows.py:expire": "may_delete",
    "gateway/retention/erase.py:_traces": "refusal_of",
}

#: Folders whose rows are made from others and can be made again, or lead to nothing.
DERIVED = ("store/search/", "store/upkeep/checks/")

#: Why nothing is asked.
NEED_NOT: dict[str, str] = {
    "gateway/traps/reporting.py:kind": "its own job's link, which kept the octets until they were reported",
    "gateway/traps/reporting.py:report": "its own job's link, which kept the octets until they were reported",
    "store/mail/emails.py:_leave": "called by destroy, which asked, and by _rehome, which enters the email again",
    "store/mail/uploads.py:expire": "an upload that no email uses is no mail yet",
    "store/mail/mailboxes.py:destroy": "an empty mailbox: the uids that vanished from it before",
    "store/changes/engine.py:unindex_range": "a tool; who uses it stands here",
    "store/blob/chunks.py:discard": "octets without a link: called by the collector, which looks for links",
    "store/quarantine/held.py:rewrite": "its callers ask: gateway/retention/erase.py:_quarantine",
    "store/quarantine/held.py:_write": "its callers ask: settle, expire_settled, drop_what_may_go, rewrite",
    "store/audit/sealing.py:_seal_some": "moves an entry from what waits into the chain",
    "store/audit/chain.py:trim": "audit entries are no mail; the setting says their age, and an entry says they went",
    "store/retention/rows.py:take_hold": "the hold itself, released by a person, with an audit entry",
    "store/retention/rows.py:take_rule": "the rule itself, removed by a person, with an audit entry",
    "gateway/outbound/relay.py:drop": "a copy on its way out; the mail was the sender's to give up",
    "store/artefacts/rows.py:drop": "the files of a model, which were made from mail and hold none",
    "store/artefacts/rows.py:shadow": "counts of an earlier trial of a model",
    "store/trace/sightings.py:forget": "counts of the days before, no trace of a mail",
    "gateway/outbound/relay.py:attempt": "a copy that the next host has taken",
}


def lets_go(function: ast.AST) -> bool:
    """Whether a function makes octets, mail or evidence disappear by its own hand."""
    nodes = list(ast.walk(function))
    words = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        is_unlink = name == "unlink" and len(call.args) == 2  # a path's takes none
        is_removal = name == "remove" and "blobs" in {getattr(each, "attr", "") for each in ast.walk(call.func)}
        is_delete = name == "delete" and bool(words & EVIDENCE)
        if is_unlink or is_removal or is_delete or name in {"delete_range", "unindex_range", "discard_blob"}:
            return True
    return False


@functools.cache
def functions() -> dict[str, tuple[bool, str]]:
    """Every function by file and name: whether it lets something go, and its code."""
    found: dict[str, tuple[bool, str]] = {}
    for package in ("store", "gateway", "protocols"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.is_relative_to(ROOT / "store" / "kv") or str(path.relative_to(ROOT)).startswith(DERIVED):
                continue
            source = path.read_text("utf-8")
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    code = ast.unparse(node)
                    found[f"{path.relative_to(ROOT)}:{node.name}"] = (lets_go(node), code)
    return found


def deleters() -> set[str]:
    return {name for name, (is_deleter, _) in functions().items() if is_deleter}


def test_whoever_deletes_asks_or_says_why_not() -> None:
    unknown = sorted(deleters() - ASKS.keys() - NEED_NOT.keys())
    assert not unknown, f"these delete mail or evidence: ask may_delete there and list them in ASKS ({unknown})"


def test_whoever_is_said_to_ask_asks() -> None:
    code = functions()
    assert [each for each, question in ASKS.items() if each not in code or question not in code[each][1]] == []


def test_nobody_is_listed_who_is_gone() -> None:
    assert sorted(NEED_NOT.keys() - deleters()) == []
