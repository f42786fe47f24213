"""Chromium looks at a held phish, releases it, and the mail appears in the recipient's IDLE session."""

from pathlib import Path

import pytest
from imapclient import IMAPClient
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.test_one_message import fetch_by_id, imap, send
from tests.support.browser import chromium, complaints, programs
from tests.support.gateway import PASSWORD, Gateway
from tests.support.letters import PHISH


def told_of_a_new_mail(client: IMAPClient) -> bool:
    return any(isinstance(line, tuple) and line[1] == b"EXISTS" for line in client.idle_check(timeout=20))


@pytest.mark.interop
def test_a_phish_released_in_the_console_appears_in_an_idle_session(gateway: Gateway, tmp_path: Path) -> None:
    programs()
    reception = send(gateway, PHISH, sender="it-desk@exarnple.com", ip="203.0.113.9")
    host, port = gateway.listen["http"]
    with imap(gateway) as client, chromium(tmp_path / "profile", 1280, 900) as driver:
        client.select_folder("INBOX")
        client.idle()
        wait = WebDriverWait(driver, 20, 0.05)
        driver.get(f"http://{host}:{port}/message/{reception}")
        driver.find_element(By.NAME, "login").send_keys("admin@example.com")
        driver.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
        wait.until(lambda d: reception in d.current_url and d.find_elements(By.CSS_SELECTOR, "html.has-script"))
        page = driver.find_element(By.TAG_NAME, "main").text
        assert "phish" in page.lower() and "exarnple.com" in page
        assert driver.find_elements(By.CSS_SELECTOR, "svg rect"), "the evidence is drawn"
        driver.switch_to.active_element.send_keys("r")
        wait.until(lambda d: "/queue" in d.current_url and "Released" in d.page_source)
        assert told_of_a_new_mail(client)
        client.idle_done()
        fetch_by_id(client, "INBOX", reception)
        assert complaints(driver) == []
