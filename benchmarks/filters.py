"""Mailward's whole chain beside rspamd, spamd and bogofilter: the same mails, the same core, one run.

python -m benchmarks.filters [--corpus DIR] [--mails 600] [--learn 1000] [--model DIR] [--only NAME...]

Prints one JSON object a filter, then the ratios. CPU time a mail is what to compare while the machine is shared; mails
a second by the clock stand beside it. Network lookups are off everywhere. The peers learn from the corpus's training
buckets, Mailward runs with its packaged model; all are asked about mails that neither has learned from.
"""

import argparse
import asyncio
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.corpus import Mails, draw, fetch
from benchmarks.peers import PEERS, ROUNDS, PeerFailed, missing, version_of
from benchmarks.processes import Measured, busy_seconds, cores, middle, on_core
from gateway.main.offline import OfflineJudge
from gateway.pipeline.verdict import Action
from gateway.settings import Config, Model

FLOOR = {"mailward/spamd": 25.0, "mailward/rspamd": 1.0}
WARM_UP = 20


async def judge_all(config: Config, mails: list[bytes], core: int) -> dict[str, object]:
    """Everything a mail goes through from octets to verdict, in this process."""
    stages: dict[str, float] = {}
    rounds: list[Measured] = []
    warm_up = [b"Subject: warm-up %d\r\n\r\n" % number + octets for number, octets in enumerate(mails[:WARM_UP])]
    for _ in range(ROUNDS):
        async with OfflineJudge(config) as judge:  # a new one each round: it remembers the texts it has read
            for octets in warm_up:
                await judge.judge("", octets)
            asked = flagged = 0
            busy, cpu, start = busy_seconds(core), time.process_time(), time.perf_counter()
            for octets in mails:
                judged = await judge.judge("", octets)
                if judged.judgement is None:
                    raise SystemExit(f"a mail could not be judged: {judged.error}")
                asked += judged.judgement.asked_language_model
                flagged += judged.judgement.verdict.action is not Action.ACCEPT
                for name, ms in judged.ms.items():
                    stages[name] = stages.get(name, 0.0) + ms
            wall, used = time.perf_counter() - start, time.process_time() - cpu
        rounds.append(Measured(len(mails), wall, used, max(0.0, busy_seconds(core) - busy - used), flagged))
    return {
        **middle(rounds).as_json(),
        "language_share": round(asked / len(mails), 3),
        "stage_wall_ms": {name: round(ms / len(mails) / ROUNDS, 3) for name, ms in stages.items()},
    }


def measure_mailward(mails: Mails, core: int, model: str, language: bool) -> dict[str, object]:
    """In a process of its own on the core, as the peers are."""
    with tempfile.TemporaryDirectory() as made:
        given = Path(made) / "mails"
        given.write_bytes(pickle.dumps(list(mails.test)))
        command = [sys.executable, "-m", "benchmarks.filters", "--judge", str(given), "--model", model]
        with on_core(core):
            done = subprocess.run(
                command + ([] if language else ["--no-language"]), stdout=subprocess.PIPE, check=False
            )
    if done.returncode != 0:
        raise SystemExit("mailward could not judge the mails")
    result: dict[str, object] = json.loads(done.stdout)
    return result


def say(**what: object) -> None:
    print(json.dumps({"benchmark": "filters", **what}), flush=True)


def compare(mails: Mails, model: str, only: list[str]) -> None:
    core, client = cores()
    results: dict[str, dict[str, object]] = {}
    with on_core(client):
        if not only or "mailward" in only:
            for name, language in (("mailward", True), ("mailward without language model", False)):
                results[name] = measure_mailward(mails, core, model, language)
                say(filter=name, mean_octets=mails.mean_octets, **results[name])
        for name, programs, measure in PEERS:
            if only and name not in only:
                continue
            if absent := missing(programs):
                say(filter=name, skipped=f"not installed: {', '.join(absent)}")
                continue
            try:
                results[name] = measure(mails, core).as_json()
            except (PeerFailed, RuntimeError, subprocess.CalledProcessError) as error:
                say(filter=name, skipped=str(error))
                continue
            say(filter=name, version=version_of(name), mean_octets=mails.mean_octets, **results[name])
    say(ratios=ratios(results), floor=FLOOR)


def ratios(results: dict[str, dict[str, object]]) -> dict[str, dict[str, float]]:
    """How many times as many mails, by CPU time and by the clock."""
    found: dict[str, dict[str, float]] = {}
    for own in (name for name in results if name.startswith("mailward")):
        for peer in (name for name in results if not name.startswith("mailward")):
            found[f"{own}/{peer}"] = {
                "by_cpu": round(_number(results[own], "mails_a_cpu_s") / _number(results[peer], "mails_a_cpu_s"), 2),
                "by_clock": round(_number(results[own], "mails_s") / _number(results[peer], "mails_s"), 2),
            }
    return found


def _number(result: dict[str, object], name: str) -> float:
    value = result[name]
    assert isinstance(value, float)
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="folder with easy-ham-1 and so on; fetched with npm without it")
    parser.add_argument("--mails", type=int, default=600, help="that are judged")
    parser.add_argument("--learn", type=int, default=1_000, help="mails that the peers learn from")
    parser.add_argument("--model", default="", help="model directory; the packaged one without it")
    parser.add_argument("--only", nargs="*", default=[], help="mailward, rspamd, spamd, bogofilter")
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--no-language", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge:
        config = Config(model=Model(directory=given.model, language=not given.no_language))
        print(json.dumps(asyncio.run(judge_all(config, pickle.loads(given.judge.read_bytes()), cores()[0]))))
        return
    with tempfile.TemporaryDirectory() as made:
        root = given.corpus or fetch(Path(made))
        mails = draw(root, given.learn, given.mails)
    compare(mails, given.model, given.only)


if __name__ == "__main__":
    main()
