"""A browser as tests use the gallery page: what is seen, clicked, typed, and what went over the network."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

T = TypeVar("T")
#: Seconds; the first uploaded picture waits for the network to be loaded.
PATIENCE = 120


class Keys:
    """Keys as WebDriver names them: Selenium's own list would have to be there to be imported."""

    BACKSPACE, TAB, ENTER, ESCAPE = "\ue003", "\ue004", "\ue007", "\ue00c"
    HOME, DELETE = "\ue011", "\ue017"
    ARROW_LEFT, ARROW_UP, ARROW_RIGHT, ARROW_DOWN = "\ue012", "\ue013", "\ue014", "\ue015"


def start_chromium() -> Any:
    """A headless Chromium. Skips the test where it, its driver or Selenium is missing."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no Selenium: pip install selenium")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--no-first-run",
        "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


class Browser:
    """One view of the page at `address`. Every wait ends when what is waited for is there, or fails the test."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address

    @classmethod
    @contextmanager
    def fresh(cls, driver: Any, address: str, width: int = 1280, height: int = 860) -> Iterator["Browser"]:
        """A new tab, light, of that size, that is closed in the end."""
        first = driver.current_window_handle
        driver.switch_to.new_window("tab")
        browser = cls(driver, address)
        browser.resize(width, height)
        browser.scheme("light")
        driver.get_log("browser"), driver.get_log("performance")
        try:
            yield browser
        finally:
            driver.delete_all_cookies()
            driver.close()
            driver.switch_to.window(first)

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of the window, and whether it is a phone's, which is touched and has no pointer to hover with."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1 + phone, mobile=phone
        )
        self.command("Emulation.setTouchEmulationEnabled", enabled=phone)

    def scheme(self, name: str) -> None:
        """`light` or `dark`; without motion, so that nothing that is looked at is on its way."""
        features = [
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", features=features)

    def command(self, name: str, **values: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, values)

    def open(self, address: str = "") -> None:
        """Opens the page with what follows its address, and waits until it shows what it is to show."""
        self.driver.get(self.address + address)
        self.settled()

    def settled(self) -> None:
        """Waits until no search is under way and all pictures within the window are there."""
        self.wait(
            "return document.readyState === 'complete' && document.querySelector('#heading').textContent && "
            "(document.querySelector('.tile:not(.waiting), .notice, dialog[open]') || !document.querySelector('#start').hidden)"
            " && !document.querySelector('[aria-busy=true], .waiting') && [...document.querySelectorAll('img')].every("
            "image => image.complete || !image.offsetParent || image.getBoundingClientRect().top > innerHeight)",
            "the page to show something",
        )

    def wait(self, script: str, what: str, *values: Any) -> Any:
        """What a script returns, once that is something."""
        return self.until(lambda: self.run(script, *values), what)

    def until(self, look: Callable[[], T], what: str) -> T:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.wait import WebDriverWait

        waiting = WebDriverWait(self.driver, PATIENCE, 0.03, [StaleElementReferenceException])
        found: T = waiting.until(lambda _: look(), f"waited for {what}")
        return found

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """The element, once it is there and seen."""
        return self.until(lambda: next((found for found in self.all(selector) if found.is_displayed()), None), selector)

    def texts(self, selector: str) -> list[str]:
        return [found.text for found in self.all(selector)]

    def click(self, selector: str) -> None:
        self.one(selector).click()

    def hover(self, element: Any) -> None:
        """Moves the pointer there."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).move_to_element(element).perform()

    def press(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def search(self, text: str) -> None:
        """Types into the search box and presses Enter; waits for the answer."""
        self.one("#words").send_keys(text, Keys.ENTER)
        self.settled()

    @property
    def query(self) -> str:
        """The query in the address."""
        return str(self.run("return new URLSearchParams(location.search).get('q') ?? ''"))

    @property
    def focused(self) -> Any:
        return self.driver.switch_to.active_element

    @property
    def chips(self) -> list[str]:
        """What the chips are called, with what each does."""
        script = "return [...document.querySelectorAll('#chips .turn')].map(turn => turn.ariaLabel ?? turn.textContent)"
        return list(self.run(script))

    @property
    def pictures(self) -> list[str]:
        """The ids of the pictures that are shown, in order."""
        links = self.run("return [...document.querySelectorAll('#grid a.open')].map(link => link.getAttribute('href'))")
        return [dict(part.split("=") for part in urlsplit(link).query.split("&"))["picture"] for link in links]

    @property
    def cities(self) -> set[str]:
        """The cities of the pictures that are shown."""
        return set(self.run("return [...document.querySelectorAll('#grid .badge span')].map(city => city.textContent)"))

    def requests(self) -> list[str]:
        """The addresses that were asked for since this was last called."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What the browser warned of since this was last called: errors of scripts, and what the policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]

    def violations(self, axe: Path) -> Sequence[str]:
        """What axe-core finds wrong with the page as it is: rule, element and reason."""
        self.run(axe.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations))"
        )
        return [
            f"{violation['id']}: {node['html'][:120]}: {node['failureSummary']}"
            for violation in found
            for node in violation["nodes"]
        ]

    def shoot(self, path: Path) -> None:
        """Keeps a screenshot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))
