"""The console in a real browser: keys, screens of both ends of the scale, and not one complaint in its console."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from protocols.console.services import ConsoleSettings
from store.quarantine import held as quarantine
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN
from tests.protocols.console.scene import PASSWORD, Scene, id_of, scene
from tests.support.browser import chromium, complaints, programs

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
T = TypeVar("T")


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    programs()
    async with scene((*mails.HELD, *mails.OTHERS), ConsoleSettings(live_poll_s=0.2)) as one:
        yield one


def wait(driver: Chrome, until: Callable[[Chrome], T]) -> T:
    return WebDriverWait(driver, 15, 0.05).until(until)


def press(driver: Chrome, keys: str) -> None:
    driver.switch_to.active_element.send_keys(keys)


def arrive(driver: Chrome, path: str) -> None:
    """Wait until a page is there and its script has run."""
    wait(driver, lambda d: path in d.current_url and d.find_elements(By.CSS_SELECTOR, "html.has-script"))


def sign_in(driver: Chrome, url: str) -> None:
    driver.get(url)
    driver.find_element(By.NAME, "login").send_keys(ADMIN)
    driver.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    arrive(driver, "/queue")


def width_needed(driver: Chrome) -> int:
    return int(driver.execute_script("return document.documentElement.scrollWidth"))


async def test_triage_by_keyboard(made: Scene, tmp_path: Path) -> None:
    """j to the second mail, Enter, r: the mail is released and the queue says so."""

    def drive() -> list[str]:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            sign_in(driver, made.url)
            driver.get_screenshot_as_file(str(tmp_path / "queue-light.png"))
            press(driver, "j")
            press(driver, "j")
            here = driver.find_element(By.CSS_SELECTOR, "tr.here a.open")
            assert here == driver.switch_to.active_element, "the focus goes along"
            assert here.text == "Are you at your desk?"
            press(driver, Keys.ENTER)
            arrive(driver, id_of("desk"))
            press(driver, "r")
            arrive(driver, "/queue")
            note = driver.find_element(By.CSS_SELECTOR, ".note.ok").text
            assert "Released: “Are you at your desk?”" in note
            assert id_of("desk") not in driver.page_source
            return complaints(driver)

    assert await asyncio.to_thread(drive) == []
    row = await made.store.read(lambda view: quarantine.get(view, id_of("desk")))
    assert row is not None
    assert [c.state for c in row.copies] == ["released"]


async def test_a_key_in_the_queue_is_about_the_row_one_is_on(made: Scene, tmp_path: Path) -> None:
    def drive() -> list[str]:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            sign_in(driver, made.url)
            press(driver, "j")
            press(driver, "R")
            note = wait(driver, lambda d: d.find_element(By.CSS_SELECTOR, ".note")).text
            assert note.startswith("Released and learned as wanted: “Your March programme")
            return complaints(driver)

    assert await asyncio.to_thread(drive) == []


async def test_ticks_help_search_and_going_places_by_keyboard(made: Scene, tmp_path: Path) -> None:
    def drive() -> list[str]:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            sign_in(driver, made.url)
            press(driver, "?")
            assert driver.find_element(By.ID, "help").is_displayed()
            press(driver, Keys.ESCAPE)
            assert not driver.find_element(By.ID, "help").is_displayed()
            for key in "jxjx":
                press(driver, key)
            assert driver.find_element(By.CSS_SELECTOR, "[data-ticked]").text == "2 ticked"
            press(driver, "d")
            wait(driver, lambda d: "Delete 2 mails?" in d.page_source)
            driver.find_element(By.LINK_TEXT, "Cancel").click()
            arrive(driver, "/queue")
            press(driver, "/")
            press(driver, "verdict:bec" + Keys.ENTER)
            arrive(driver, "q=verdict")
            assert len(driver.find_elements(By.CSS_SELECTOR, "tr[data-row]")) == 1
            press(driver, "j")
            press(driver, "b")
            wait(driver, lambda d: "is blocked for 90 days" in d.page_source)
            arrive(driver, "/queue")
            press(driver, "u")
            wait(driver, lambda d: "is no longer blocked" in d.page_source)
            press(driver, "g")
            press(driver, "l")
            arrive(driver, "/live")
            press(driver, "g")
            press(driver, "q")
            arrive(driver, "/queue")
            return complaints(driver)

    assert await asyncio.to_thread(drive) == []


async def test_the_live_view_fills_pauses_and_goes_on(made: Scene, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()

    def add(key: str) -> None:
        sample = mails.Sample(
            key, "New", "new@sender.example", f"Live {key}", "spam", (("m", 3.0, "x"),), minutes_ago=0
        )
        asyncio.run_coroutine_threadsafe(made.add(sample), loop).result(10)

    def drive() -> list[str]:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            sign_in(driver, made.url)
            driver.get(made.url + "/live")
            state = driver.find_element(By.CSS_SELECTOR, "[data-live-state]")
            wait(driver, lambda _: state.text == "live")
            add("one")
            wait(driver, lambda d: d.find_element(By.CSS_SELECTOR, "tbody tr .open").text == "Live one")
            driver.find_element(By.CSS_SELECTOR, "[data-live-pause]").click()
            add("two")
            wait(driver, lambda _: state.text == "paused, 1 waiting")
            assert "Live two" not in driver.find_element(By.TAG_NAME, "tbody").text
            driver.find_element(By.CSS_SELECTOR, "[data-live-pause]").click()
            wait(driver, lambda d: d.find_element(By.CSS_SELECTOR, "tbody tr .open").text == "Live two")
            return complaints(driver)

    assert await asyncio.to_thread(drive) == []


@pytest.mark.parametrize(
    ("width", "height", "dark"), [(1280, 800, False), (320, 700, True)], ids=["desktop light", "phone dark"]
)
async def test_every_page_fits_and_breaks_no_rule(
    made: Scene, tmp_path: Path, width: int, height: int, dark: bool
) -> None:
    """No sideways scrolling at 320 px, no script of a mail run, nothing blocked by our own policy."""
    paths = [
        "/queue", "/queue?tab=all", "/queue?tab=settled", "/live", "/audit",
        *(f"/message/{id_of(key)}?view={view}" for key in ("qr", "script") for view in ("text", "parts", "source")),
        f"/message/{id_of('sign')}?view=links", f"/message/{id_of('rlo')}?view=parts",
    ]  # fmt: skip

    def drive() -> list[str]:
        found: list[str] = []
        with chromium(tmp_path / "profile", width, height, dark=dark) as driver:
            sign_in(driver, made.url)
            for at, path in enumerate(paths):
                driver.get(made.url + path)
                arrive(driver, path.partition("?")[0])
                driver.get_screenshot_as_file(str(tmp_path / f"{at:02}.png"))
                found += [f"{path}: {said}" for said in complaints(driver)]
                if width_needed(driver) > width:
                    found.append(f"{path}: needs {width_needed(driver)} px")
            background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(14, 18, 24)" if dark else "rgb(245, 246, 248)")
        return found

    assert await asyncio.to_thread(drive) == []
    assert all(shot.stat().st_size > 5_000 for shot in tmp_path.glob("*.png"))


async def test_a_mails_html_runs_nothing_and_loads_nothing(made: Scene, tmp_path: Path) -> None:
    def drive() -> tuple[list[str], str, list[str]]:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            sign_in(driver, made.url)
            driver.get(made.url + f"/message/{id_of('sign')}?view=html#mail-title")
            frame = driver.find_element(By.CSS_SELECTOR, "iframe.mailframe")
            driver.execute_script("arguments[0].scrollIntoView()", frame)
            driver.switch_to.frame(frame)
            text = wait(driver, lambda d: d.find_element(By.TAG_NAME, "body").text)
            links = [link.get_attribute("href") for link in driver.find_elements(By.TAG_NAME, "a")]
            driver.switch_to.default_content()
            return complaints(driver), text, [link for link in links if link]

    said, text, links = await asyncio.to_thread(drive)
    assert said == []
    assert "You have a document to sign." in text
    assert "→ docs-share.example" in text
    assert links == []


async def test_the_queue_works_without_script(made: Scene, tmp_path: Path) -> None:
    def drive() -> str:
        with chromium(tmp_path / "profile", 1280, 800) as driver:
            driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
            driver.get(made.url)
            driver.find_element(By.NAME, "login").send_keys(ADMIN)
            driver.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
            wait(driver, lambda d: "/queue" in d.current_url)
            assert not driver.find_elements(By.CSS_SELECTOR, "html.has-script")
            driver.find_element(By.CSS_SELECTOR, f'input[value="{id_of("play")}"]').click()
            driver.find_element(By.CSS_SELECTOR, 'button[value="release"]').click()
            return wait(driver, lambda d: d.find_element(By.CSS_SELECTOR, ".note")).text

    assert "Released: “Your March programme" in await asyncio.to_thread(drive)
