"""What the message page says of a verdict: in the reader's language, for each recipient, and after a closer look."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from gateway.learning.closer import CloserLook
from gateway.main.offline import NoNetwork
from gateway.main.services import build_judging, load_model, protected_of
from gateway.settings import Config
from store.changes.engine import StoreTxn
from store.policy import entries as policy
from store.trace import rows as traces
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, ANA, BOB
from tests.protocols.console.scene import Scene, browser, id_of, scene
from tests.protocols.console.test_browser import arrive, press, sign_in, wait, width_needed
from tests.support.browser import chromium, complaints, programs

REAL = replace(
    mails.HELD[0],
    key="real",
    reasons=(
        ("url.ip-host", 3.2, "A link names a machine by its address instead of a name: 192.0.2.1"),
        ("model.words", 1.5, "The words say: keep, mailbox"),
    ),
)


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene((*mails.HELD, REAL)) as one:
        yield one


async def page(made: Scene, path: str, login: str = ADMIN, language: str = "") -> str:
    async with browser(made) as one:
        await one.sign_in(login)
        answer = await one.get(path, headers={"Accept-Language": language} if language else {})
        assert answer.status_code == 200, answer.text
        return answer.text


def reception(made: Scene) -> str:
    return f"/message/{id_of('qr')[:10]}real"


async def test_the_reasons_are_told_in_the_readers_language(made: Scene) -> None:
    path = reception(made)
    german = await page(made, path, language="de-AT,de;q=0.9,en;q=0.5")
    assert '<h2 id="why-title">Warum</h2>' in german
    assert "Ein Link nennt einen Rechner mit seiner Adresse statt mit einem Namen: 192.0.2.1" in german
    assert "Zurückgehalten als Phishing" in german
    assert "Wäre zugestellt worden ohne:" in german
    english = await page(made, path, language="fr, en;q=0.5")
    assert "A link names a machine by its address instead of a name: 192.0.2.1" in english
    assert "Held as phishing" in english


async def differ(made: Scene) -> None:
    """Bob's own rule holds what Ana gets."""

    def body(txn: StoreTxn) -> None:
        trace = traces.get(txn, id_of("qr"))  # type: ignore[arg-type]
        assert trace is not None
        ana, bob = trace.outcomes
        ana = msgspec.structs.replace(ana, action="accept", rule="ana-wants-it", why="Ana asked for this mail")
        bob = msgspec.structs.replace(bob, why="A QR code leads to login.exarnple.com")
        traces.put(txn, msgspec.structs.replace(trace, outcomes=(ana, bob)))

    await made.store.write(body)


async def test_where_recipients_differ_each_has_its_verdict_and_reason(made: Scene) -> None:
    await differ(made)
    told = await page(made, f"/message/{id_of('qr')}")
    assert '<span class="why" lang="en"><bdi>Ana asked for this mail</bdi></span>' in told
    assert '<span class="why" lang="en"><bdi>A QR code leads to login.exarnple.com</bdi></span>' in told
    assert "1 delivered, 1 held" in await page(made, "/queue")
    bob = await page(made, "/queue?tab=all", BOB)
    assert "Ana asked" not in bob
    assert "1 delivered" not in bob, "what became of another's copy is not Bob's to see"
    assert "1 delivered" not in await page(made, "/queue", BOB)
    assert "Ana asked for this mail" in await page(made, "/queue?tab=all", ANA)


async def test_where_they_do_not_differ_nothing_is_said_twice(made: Scene) -> None:
    assert 'class="why" lang' not in await page(made, f"/message/{id_of('qr')}")


async def test_a_closer_look_names_words_sentences_and_changes(made: Scene) -> None:
    path = reception(made)
    assert "/closer" not in await page(made, path), "nothing to look with"
    config = Config()
    with ThreadPoolExecutor(1) as threads:
        judging = build_judging(config, load_model(config), made.store, None, threads, NoNetwork())
        made.services.look = CloserLook(judging.judge, judging.scorer, protected_of(config)).of_trace
        assert f'href="{path}/closer"' in await page(made, path)
        told = await page(made, f"{path}/closer")
        assert "Your mailbox is about to expire." in told
        assert "<bdi>mailbox</bdi>" in told
        assert "Together" in told
        german = await page(made, f"{path}/closer", language="de")
        assert "<h1>Genauer hingesehen</h1>" in german
        async with browser(made) as maria:
            await maria.sign_in(mails.MARIA)
            assert (await maria.get(f"{path}/closer")).status_code == 404


@pytest.mark.interop
@pytest.mark.timeout(120)
async def test_a_browser_shows_the_closer_look_and_blocks_for_one_person(made: Scene, tmp_path: Path) -> None:
    programs()
    config = Config()

    def drive() -> list[str]:
        found: list[str] = []
        with chromium(tmp_path / "profile", 320, 700) as driver:
            sign_in(driver, made.url)
            driver.get(made.url + reception(made))
            driver.find_element(By.PARTIAL_LINK_TEXT, "Read it again").click()
            arrive(driver, "/closer")
            found += complaints(driver)
            if width_needed(driver) > 320:
                found.append(f"needs {width_needed(driver)} px")
            driver.get_screenshot_as_file(str(tmp_path / "closer.png"))
            press(driver, "u")
            wait(driver, lambda d: d.current_url.endswith("real"))
            arrive(driver, "real")
            if width_needed(driver) > 320:
                found.append(f"the mail needs {width_needed(driver)} px")
            Select(driver.find_element(By.NAME, "scope")).select_by_value(BOB)
            driver.find_element(By.CSS_SELECTOR, 'button[value="block"]').send_keys(Keys.ENTER)
            wait(driver, lambda d: f"is blocked for {BOB} for 90 days" in d.page_source)
            driver.find_element(By.XPATH, "//button[text()='Take it back']").click()
            wait(driver, lambda d: "is no longer blocked" in d.page_source)
            return found + complaints(driver)

    with ThreadPoolExecutor(1) as threads:
        judging = build_judging(config, load_model(config), made.store, None, threads, NoNetwork())
        made.services.look = CloserLook(judging.judge, judging.scorer, protected_of(config)).of_trace
        assert await asyncio.to_thread(drive) == []
    assert await made.store.read(policy.everything) == []
