"""Makes the pictures of docs/images/: the report of a run in which a model was exported anew and answers otherwise.

    python tools/report_picture.py [--keep DIRECTORY]

The example models are copied, goldens of two hundred digits are recorded, and mnist is exported again with other
weights. What pytest then writes with --tfserving-report is shown in Chromium (chromium, chromedriver) and photographed,
light and dark, and light on a phone. Takes half a minute.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
MODELS = ("half_plus_two", "mnist", "image_bytes", "keras_export")
DIGITS = ("zeros", "ones", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines")

# Name, width and height in CSS pixels, theme, the section that is at the top.
SHOTS = (
    ("report-light", 1200, 1780, "light", ""),
    ("report-dark", 1200, 1780, "dark", ""),
    ("report-phone", 390, 844, "light", ""),
    ("report-latency-light", 1200, 860, "light", "latency"),
    ("report-latency-dark", 1200, 860, "dark", "latency"),
)

TESTS = """
import pytest

pytestmark = pytest.mark.tfserving("exports/mnist")


@pytest.mark.tfserving_golden("goldens/handwriting", outputs={"scores": {"argmax": True, "differing": 0.01}})
def test_handwriting(): ...


@pytest.mark.tfserving_latency(
    against="exports/before", at_most=3, p99="5s", request="goldens/handwriting", signature="predict_images"
)
def test_no_slower(): ...
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--keep", type=Path, help="where the models and the report are left; else they are removed")
    keep = arguments.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        directory = keep or Path(temporary)
        photograph(make_report(directory), IMAGES)


def make_report(directory: Path) -> Path:
    """The page of a run on models of which one has moved."""
    for name in MODELS:
        shutil.copytree(ROOT / "example_models" / name, directory / name, dirs_exist_ok=True)
    write_handwriting(directory / "mnist")
    shutil.copytree(directory / "mnist" / "exports" / "mnist", directory / "mnist" / "exports" / "before")
    pytest(directory, "--tfserving-update=changed", fails=False)
    export_anew(directory / "mnist", "2 * SHARPNESS * digits.T", "2 * SHARPNESS * retrained(digits).T")
    pytest(directory, "--tfserving-report=report.html", fails=True)
    return directory / "report.html"


def write_handwriting(mnist: Path) -> None:
    """Twenty dirty copies of each digit, a case a digit, and a test that they stay in their classes."""
    sheet = [line.split() for line in (mnist / "digits.txt").read_text().splitlines()]
    dots = np.array([[[dot == "#" for dot in row[digit]] for row in sheet] for digit in range(10)])
    drawn = np.pad(dots.repeat(3, axis=1).repeat(3, axis=2), [(0, 0), (3, 4), (6, 7)]).reshape(10, 1, 784)
    dirt = np.random.default_rng(1).random((10, 20, 784)) < 0.12
    pictures = dict(zip(DIGITS, (drawn ^ dirt).astype(np.float32), strict=True))
    goldens = mnist / "goldens" / "handwriting"
    goldens.mkdir(exist_ok=True)
    np.savez(goldens / "digits.npz", **pictures)
    tensors = {name: {"dtype": "float32", "shape": [20, 784], "npz": name} for name in pictures}
    cases = {name: {"inputs": {"images": tensor}} for name, tensor in tensors.items()}
    (goldens / "digits.json").write_text(json.dumps({"signature_name": "predict_images", "cases": cases}))
    (mnist / "test_handwriting.py").write_text(TESTS)
    export = mnist / "export.py"
    export.write_text(
        export.read_text().replace(
            "\ndef main():",
            "\ndef retrained(digits):\n"
            "    moved = digits + np.random.default_rng(2).normal(0, 0.45, digits.shape)\n"
            "    for digit, other, share in ((8, 3, 0.22), (5, 6, 0.33), (1, 7, 0.4), (2, 3, 0.3)):\n"
            "        moved[digit] += share * (digits[other] - digits[digit])\n"
            "    return moved.astype(np.float32)\n\n\ndef main():",
        )
    )


def export_anew(model: Path, old: str, new: str) -> None:
    """Runs the model's export.py with a line changed."""
    script = model / "export.py"
    text = script.read_text()
    assert old in text, f"{old} is no longer in {script.name} of {model.name}"
    script.write_text(text.replace(old, new))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "export.py"], cwd=model, env=environment, check=True, stderr=subprocess.DEVNULL)


def pytest(directory: Path, *arguments: str, fails: bool) -> None:
    """pytest on the embedded server, as anyone would type it; stops where it ends otherwise than expected."""
    environment = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "--tfserving-backend=embedded", *arguments]
    status = subprocess.run(command, cwd=directory, env=environment, check=False).returncode
    if status != int(fails):
        raise SystemExit(f"{' '.join(command[1:])} ended with {status} in {directory}")


def photograph(page: Path, target: Path) -> None:
    """The page's first screens as PNG files, of few colours, which makes them small."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for argument in (
            "headless=new",
            "no-sandbox",
            "hide-scrollbars",
            "disable-dev-shm-usage",
            f"user-data-dir={home}",
        ):
            options.add_argument(f"--{argument}")
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            for name, *shot in SHOTS:
                picture = Image.open(io.BytesIO(shoot(driver, page, *shot))).convert("RGB")
                file = target / f"{name}.png"
                picture.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
                print(f"{file}: {file.stat().st_size // 1000} KB")
        finally:
            driver.quit()


def shoot(driver: Any, page: Path, width: int, height: int, theme: str, section: str) -> bytes:
    """A PNG of the page from its top or a section's; phones have two pixels a CSS pixel."""
    phone = width < 500
    command = driver.execute_cdp_cmd
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    command("Emulation.setDeviceMetricsOverride", size)
    driver.get("about:blank")  # where only what follows the # is another, a page is not loaded anew
    driver.get(f"{page.resolve().as_uri()}#{section}")
    return base64.b64decode(command("Page.captureScreenshot", {"format": "png"})["data"])


if __name__ == "__main__":
    main()
