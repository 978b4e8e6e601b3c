"""The page in a browser: from drawings to a tested adapter, as a person does it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visionlora.studio.jobs import Jobs

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[2]
DRAWINGS = sorted((ROOT / "data" / "goldfish" / "train" / "goldfish").iterdir())
WIDTHS = (380, 820, 1280)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (Debian's package)"),
]


@pytest.fixture(autouse=True)
def no_training_goes_on(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails leaves no training behind."""
    folders = [tmp_path]
    if "studio" in request.fixturenames:
        folders.append(request.getfixturevalue("studio")[0])
    yield
    for jobs in (Jobs(folder) for folder in folders):
        for job in jobs.all():
            if jobs.state(job.id) in ("queued", "running"):
                jobs.cancel(job.id)


def start_studio(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "visionlora.studio", f"folder={folder}", "port=0", "open=false"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    said = re.search(r"http://\S+", process.stdout.readline())
    assert said is not None
    return process, said[0]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("studio")
    process, address = start_studio(folder)
    yield folder, address
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Any, studio: tuple[Path, str]) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    opened.set_default_timeout(120_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    open_page(opened, studio[1])
    yield opened
    opened.close()
    assert errors == []


def open_page(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready=true]")


def new_project(page: Any, name: str, drawings: list[Path]) -> None:
    page.click("#new-project")
    page.fill("#dialog-input", name)
    page.click("dialog button[value=yes]")
    page.wait_for_selector(f"#project option:checked:has-text('{name}')", state="attached")
    page.fill("#class-name", "goldfish")
    page.set_input_files("#all-drop input[type=file]:not([webkitdirectory])", drawings)
    page.wait_for_function(f"document.querySelectorAll('.class .thumb img').length === {len(drawings)}")


def train(page: Any, options: dict[str, str]) -> None:
    page.click("input[value=quick]")
    if page.locator("#all-settings[open]").count() == 0:
        page.click("#all-settings > summary")
    page.wait_for_selector("#settings [data-key]", state="attached")
    for key, value in options.items():
        page.fill("#settings-filter", key)
        page.fill(f"[data-key='{key}']", value)
    page.click("#start")


def wait_for_state(page: Any, state: str) -> None:
    page.wait_for_function(f"document.getElementById('job-state').textContent === '{state}'", timeout=240_000)


def test_from_five_drawings_to_an_adapter_that_the_command_line_uses(
    page: Any, studio: tuple[Path, str], tmp_path: Path
) -> None:
    new_project(page, "Fish", DRAWINGS[:5])
    assert "n01443537" in page.inner_text(".class .meaning")
    page.click("#check")
    page.wait_for_function("document.getElementById('check-state').textContent.includes('wrong')")
    page.click("#start")
    wait_for_state(page, "Finished")
    dials = page.locator(".dial")
    learned = re.search(r"(\d+) %", dials.nth(0).inner_text())
    assert learned is not None
    assert int(learned[1]) >= 90
    assert "95 %" in dials.nth(0).inner_text()
    assert "not measured" in dials.nth(2).inner_text()
    assert page.locator("#wall figure").count() == 1

    page.set_input_files("#try-drop input[type=file]", DRAWINGS[8])
    page.wait_for_selector("#tried:not([hidden])")
    page.wait_for_function("document.getElementById('strength-note').textContent.startsWith('Computed')")
    named = page.inner_text("#says-now li:first-child bdi")
    page.evaluate(
        "() => { const one = document.getElementById('strength'); one.value = 0.5;"
        " one.dispatchEvent(new Event('input')); }"
    )
    assert page.inner_text("#strength-note").startswith("Estimated at strength 0.50")
    page.evaluate("document.getElementById('strength').dispatchEvent(new Event('change'))")
    page.wait_for_function(
        "document.getElementById('strength-note').textContent.startsWith('Computed at strength 0.50')"
    )
    page.click("#explain")
    page.wait_for_function("document.querySelectorAll('#heat img').length === 2")

    with page.expect_download() as download:
        page.click(".card a[href$=download]")
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path / "adapter")
    output = tmp_path / "names.csv"
    words = [f"adapter={tmp_path / 'adapter'}", f"images={DRAWINGS[8]}", f"output={output}"]
    subprocess.run([sys.executable, "-m", "visionlora.predict", *words], check=True, cwd=ROOT)
    assert named in output.read_text("utf-8")


def test_a_closed_page_and_a_restarted_studio_find_the_training_again(browser: Any, tmp_path: Path) -> None:
    process, address = start_studio(tmp_path)
    page = browser.new_page(bypass_csp=True)
    page.set_default_timeout(120_000)
    open_page(page, address)
    new_project(page, "Fish", DRAWINGS[:5])
    train(page, {"trainer.max_steps": "4000"})
    page.wait_for_function("/step \\d+ of/.test(document.getElementById('job-phase').textContent)")
    page.close()
    process.terminate()
    process.wait(30)

    process, address = start_studio(tmp_path)
    page = browser.new_page(bypass_csp=True)
    page.set_default_timeout(120_000)
    open_page(page, address)
    wait_for_state(page, "Training")
    page.wait_for_function("/step \\d+ of/.test(document.getElementById('job-phase').textContent)")
    page.click("#start")  # a second one has to wait
    page.wait_for_function("document.querySelectorAll('.jobs .queued').length === 1")
    slowest = max(answer_times(page))
    assert slowest < 2.0, "the page answers while a training takes the processor"
    page.click(".jobs button:has(.running)")
    page.click("#job-cancel")
    page.click("dialog button[value=yes]")
    wait_for_state(page, "Stopped")
    page.wait_for_selector(".card")  # what it has learned is saved
    assert page.is_visible("#job-resume")
    page.wait_for_function("document.querySelectorAll('.jobs .running').length === 1")
    page.click(".jobs button:has(.running)")
    page.click("#job-cancel")
    page.click("dialog button[value=yes]")
    wait_for_state(page, "Stopped")
    page.close()
    process.terminate()
    process.wait(30)


def answer_times(page: Any) -> list[float]:
    """Seconds from changing the class name's text to what it means, ten times."""
    times = []
    for number in range(10):
        started = time.perf_counter()
        page.fill("#class-name", f"thing {number}")
        assert f"thing {number}" in page.inner_text("#class-meaning")
        times.append(time.perf_counter() - started)
    return times


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_anybody_from_using_the_page(
    browser: Any, studio: tuple[Path, str], width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(viewport={"width": width, "height": 900}, bypass_csp=True, color_scheme=scheme)
    open_page(page, studio[1])
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    found = axe.Axe().run(page).response["violations"]
    page_width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    serious = [f"{one['id']}: {one['help']}" for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []
    assert page_width <= width


def test_the_page_speaks_chinese(page: Any) -> None:
    page.select_option("#language", "zh")
    page.wait_for_function("document.documentElement.lang === 'zh'")
    assert page.inner_text("#train h2") == "2 训练"
    page.select_option("#language", "en")


def test_markup_in_names_is_text_on_the_page(page: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=document.title='broken'>"
    drawing = tmp_path / "<b>bold<b>.png"
    Image.open(DRAWINGS[0]).save(drawing)
    page.fill("#class-name", name)
    page.set_input_files("#all-drop input[type=file]:not([webkitdirectory])", drawing)
    page.wait_for_function(
        "name => [...document.querySelectorAll('bdi')].some((one) => one.textContent === name)", arg=name
    )
    assert page.title() == "VisionLoRA Studio"
