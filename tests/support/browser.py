"""Headless Chromium for end-to-end tests: a fresh profile each time, and its console log to assert on."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def programs() -> tuple[str, str]:
    """Where Chromium and its driver are. Skips the test when one is missing; in CI that is a failure."""
    found = (shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver"))
    for name, path in zip(("chromium", "chromedriver"), found, strict=True):
        if path is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
    assert found[0] is not None and found[1] is not None
    return found[0], found[1]


@contextmanager
def chromium(profile: Path, width: int, height: int, *, dark: bool = False) -> Iterator[Chrome]:
    """A browser with a window of exactly this size. Ended, with all its processes, when the block ends."""
    program, driver_program = programs()
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={max(width, 500)},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(driver_program))
    try:
        driver.set_page_load_timeout(30)
        # A headless window cannot be narrower than 500 px; the emulated screen can.
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield driver
    finally:
        driver.quit()


def complaints(driver: Chrome) -> list[str]:
    """Warnings and errors of the browser's own console since the last call: script errors, refused resources, CSP."""
    log: list[dict[str, str]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [f"{entry['level']}: {entry['message']}" for entry in log if entry["level"] in {"WARNING", "SEVERE"}]
