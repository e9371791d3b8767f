"""Chromium without a window, driven from a test."""

import base64
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """One browser window that keeps account of what its pages say and ask for."""

    def __init__(self, driver: webdriver.Chrome, profile: str = "") -> None:
        self._driver = driver
        self._profile = profile

    def open(self, page: Path | str, width: int = 1280, height: int = 900, theme: str = "light") -> None:
        """Open a file or address at a size and in a colour scheme, and forget what was said before."""
        self._driver.get_log("browser")
        self._driver.get_log("performance")
        self.send(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        self.send(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        )
        self._driver.get(page if isinstance(page, str) else page.as_uri())
        self.settle()

    def settle(self) -> None:
        """Wait until the page has drawn itself twice more."""
        self._driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)))"
        )

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector."""
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        """Return all elements of a CSS selector."""
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return an element's text, also where it is scrolled out of sight."""
        return re.sub(r"\s+", " ", str(self.find(selector).get_property("textContent"))).strip()

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a script of the test returns."""
        return self._driver.execute_script(script, *arguments)

    def show(self, selector: str) -> WebElement:
        """Scroll an element to the middle and return it."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.find(selector))
        self.settle()
        return self.find(selector)

    def point(self, selector: str, share: float, *, click: bool = False, down: int = 0) -> None:
        """Move the pointer over an element: `share` of its width from the left; click if asked."""
        element = self.show(selector)
        x = round((share - 0.5) * element.size["width"])
        chain = ActionChains(self._driver, duration=0).move_to_element_with_offset(element, x, down)
        (chain.click() if click else chain).perform()
        self.settle()

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag over an element from one share of its width to another."""
        element = self.show(selector)
        width = element.size["width"]
        chain = ActionChains(self._driver, duration=0)
        chain.move_to_element_with_offset(element, round((start - 0.5) * width), 0).click_and_hold()
        chain.move_by_offset(round((end - start) * width), 0).release().perform()
        self.settle()

    def press(self, keys: str) -> None:
        """Press keys with nothing in particular chosen."""
        ActionChains(self._driver, duration=0).send_keys(keys).perform()
        self.settle()

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place in the window, as a mouse does."""
        self.send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    def tab(self) -> str:
        """Open a second tab and go to it; return the name of the one before, for `back_to`."""
        before = str(self._driver.current_window_handle)
        self._driver.switch_to.new_window("tab")
        return before

    def back_to(self, tab: str, *, closing: bool = False) -> None:
        """Go to another tab, closing this one if asked."""
        if closing:
            self._driver.close()
        self._driver.switch_to.window(tab)

    def until(self, script: str, seconds: float = 20.0) -> Any:
        """Return what a script returns once that is true of it; fail where it never is."""
        return WebDriverWait(self._driver, seconds, 0.05).until(lambda driver: driver.execute_script(script))

    def wait_for(self, script: str) -> Any:
        """Return what a script hands to its last argument."""
        return self._driver.execute_async_script(script)

    def kill(self) -> None:
        """End the browser at once, as a crash does."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if self._profile.encode() in line.read_bytes():
                    os.kill(int(line.parent.name), signal.SIGKILL)

    def complaints(self) -> list[str]:
        """Return the errors and warnings of the console since the page was opened."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses asked for since the page was opened, without its own and the browser's."""
        found = []
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return [
            address for address in found if not address.startswith(("data:", "chrome:", "chrome-untrusted:"))
        ]

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        shot = self._driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": whole, **self._clip(whole)}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        """Return the part of the page to be pictured."""
        if not whole:
            return {}
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        return {"clip": {"x": 0, "y": 0, "width": width, "height": min(height, 12000), "scale": 1}}

    def send(self, command: str, parameters: dict[str, Any]) -> None:
        """Give the browser a command of its own protocol."""
        self._driver.execute_cdp_cmd(command, parameters)


@contextmanager
def chromium(program: str, driver: str, profile: Path | None = None) -> Iterator[Browser]:
    """Give a fresh browser with a profile of its own, or one that stays; it is closed at the end."""
    with tempfile.TemporaryDirectory() as passing:
        profile = profile or Path(passing)
        options = Options()
        options.binary_location = program
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        window = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(window, str(profile))
        finally:
            with suppress(WebDriverException):  # it may have been killed
                window.quit()
