"""The report's page as a browser shows it: nothing loaded, nothing too wide, legible, links that lead somewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_tfserving.report.page import words
from pytest_tfserving.report.page.html import render
from tests.unit.documents import TEST, everything, huge, tiny

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver: apt-get install chromium chromium-driver"
)

PHONE, DESK = 390, 1280

# Of each visible text that lies on one colour: the ratio of WCAG 2, and what is not legible enough.
FAINT_TEXT = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
const light = (rgb) => {
  const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  const around = [];
  for (let e = element; e; e = e.parentElement) around.unshift(rgba(getComputedStyle(e).backgroundColor));
  return around.reduce((under, colour) => over(colour, under), [255, 255, 255]);
};
const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, style")) continue;
  const style = getComputedStyle(element), under = behind(element);
  const ink = over(rgba(element.closest("svg") ? style.fill : style.color), under);
  const [a, b] = [light(ink), light(under)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
  texts++;
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${walk.currentNode.data.trim().slice(0, 40)}`);
}
return {texts, found, paper: light(behind(document.body))};
"""

SIZES = """
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const box = element.getBoundingClientRect();
  return [box.left, box.right, box.width, box.height];
});
"""


class Browser:
    """A page in headless Chromium, without a network."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def show(self, file: Path, *, width: int = DESK, theme: str = "light", fragment: str = "") -> None:
        """Opens a file; what was logged before is forgotten."""
        command = self.driver.execute_cdp_cmd
        features = [{"name": "prefers-color-scheme", "value": theme}]
        command("Emulation.setEmulatedMedia", {"media": "", "features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        command("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get(file.as_uri() + fragment)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def asked_for(self) -> list[str]:
        """The addresses that were asked for since `show`."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # No sandbox: root has none. A home of its own: CI's may not be writable, and two workers would share it.
    home = tmp_path_factory.mktemp("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", f"user-data-dir={home}"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.set_script_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], dict[str, Any]]], Path]:
    """page(everything): the file of a document's page."""
    directory = tmp_path_factory.mktemp("pages")

    def page(document: Callable[[], dict[str, Any]]) -> Path:
        file = directory / f"{document.__name__}.html"
        if not file.exists():
            file.write_text(render(document()), encoding="utf-8")
        return file

    return page


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("document", [everything, tiny, huge])
def test_nothing_is_loaded_logged_or_too_wide(browser, page, document, width):
    browser.show(page(document), width=width)
    assert browser.asked_for() == [page(document).as_uri()]
    assert browser.driver.get_log("browser") == []
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.run("return window.innerWidth") == width
    # Less a scroll bar.
    assert browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("document", [everything, tiny])
def test_text_is_legible(browser, page, document, theme):
    browser.show(page(document), theme=theme)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    seen = browser.run(FAINT_TEXT)
    assert seen["found"] == [] and seen["texts"] > 20
    assert (seen["paper"] > 0.5) is (theme == "light")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_figures_and_pictures_are_seen(browser, page, width):
    browser.show(page(everything), width=width)
    figures = browser.run(SIZES, "svg")
    assert len(figures) == 6
    for left, right, across, high in figures:
        assert left >= 0 and right <= width and across > 300 and high > 100
    words_of_figures = browser.run(SIZES, "svg text")
    assert all(left >= 0 and right <= width and high > 5 for left, right, _, high in words_of_figures)
    assert browser.run("return [...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert all(right <= width and high > 50 for _, right, _, high in browser.run(SIZES, "img"))


@pytest.mark.parametrize("test", everything()["tests"], ids=lambda test: ascii(test["id"])[:40])
def test_a_link_opens_what_it_leads_to(browser, page, test):
    anchor = words.one_line(test["id"])
    browser.show(page(everything), fragment=words.fragment(anchor))
    script = "const one = document.getElementById(arguments[0]); return [one.checkVisibility(), one.matches(':target')]"
    assert browser.run(script, anchor) == [True, True]
    top, high = browser.run(
        "const box = document.getElementById(arguments[0]).getBoundingClientRect(); return [box.top, innerHeight]",
        anchor,
    )
    assert 0 <= top < high


def test_a_link_as_it_is_typed(browser, page):
    browser.show(page(everything), fragment=f"#{TEST}")
    assert browser.run("return document.querySelector(':target').id") == TEST


def test_links_of_what_moved_lead_to_tests(browser, page):
    browser.show(page(everything))
    browser.run("document.querySelector('.worst a').click()")
    assert browser.run("return document.querySelector(':target').id") == TEST


def test_the_page_is_whole_without_its_script(browser, page):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.show(page(everything), fragment="#test_ok.py::test_goldens[case-3-grpc]")
        assert browser.run("return document.querySelector(':target').checkVisibility()")
        assert not browser.run("return document.getElementById('filter').checkVisibility()")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_print(browser, page):
    browser.show(page(everything), theme="dark")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    seen = browser.run(FAINT_TEXT)
    assert seen["found"] == [] and seen["paper"] == 1
    hidden = (
        "return [...document.querySelectorAll('[data-test] td')].filter((one) => !one.getBoundingClientRect().height)"
    )
    assert browser.run(hidden) == []  # nobody can open paper
    assert not browser.run("return document.querySelector('nav').checkVisibility()")


def test_filter(browser, page):
    from selenium.webdriver.common.by import By

    browser.show(page(everything))
    field = browser.driver.find_element(By.ID, "filter")
    shown = "return [...document.querySelectorAll('[data-test]')].filter((one) => one.checkVisibility()).map((one) => one.dataset.test)"
    field.send_keys("CASE-3 grpc")
    assert browser.run(shown) == ["test_ok.py::test_goldens[case-3-grpc]"]
    assert browser.run("return document.getElementById('found').textContent") == "1 of 43"
    field.clear()
    field.send_keys("nothing is called this")
    assert browser.run(shown) == []
    for _ in range(40):
        field.send_keys("\ue003")  # backspace
    assert len(browser.run(shown)) >= 36
