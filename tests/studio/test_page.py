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

from visionlora.data.images.decode import open_image
from visionlora.studio.jobs import Jobs, new_id

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
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=flags)


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
    other_ways_to_give_an_image(page)

    with page.expect_download() as download:
        page.click(".card a[href$=download]")
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path / "adapter")
    output = tmp_path / "names.csv"
    words = [f"adapter={tmp_path / 'adapter'}", f"images={DRAWINGS[8]}", f"output={output}"]
    subprocess.run([sys.executable, "-m", "visionlora.predict", *words], check=True, cwd=ROOT)
    assert named in output.read_text("utf-8")
    merge_with_a_copy(page, studio[0])
    report = studio[1].rstrip("/") + page.get_attribute("#job-report", "href")
    assert refused_by_policy(page.context.browser, report) == []


def other_ways_to_give_an_image(page: Any) -> None:
    """Paste one, and take one with the camera."""
    first = page.get_attribute("#try-image", "src")
    page.evaluate(
        "async () => { const image = await (await fetch(document.getElementById('try-image').src)).blob();"
        " const clipboard = new DataTransfer(); "
        " clipboard.items.add(new File([image], 'x', {type: 'image/png'}));"
        " document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: clipboard})); }"
    )
    page.wait_for_function("src => document.getElementById('try-image').src !== src", arg=first)
    pasted = page.get_attribute("#try-image", "src")
    page.click("#camera")
    page.click("#shoot")
    page.wait_for_function("src => document.getElementById('try-image').src !== src", arg=pasted)
    page.wait_for_function("document.getElementById('try-image').naturalWidth > 0")
    assert page.is_hidden("#video")


def merge_with_a_copy(page: Any, folder: Path) -> None:
    """Two adapters side by side, and one that is made of them."""
    jobs = Jobs(folder)
    (job,) = [one for one in jobs.all() if jobs.state(one.id) == "finished"]
    copy = jobs.add_merged(new_id(), job.project, "Copy")
    shutil.copytree(jobs.run(job.id) / "adapter", jobs.run(copy.id) / "adapter")
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    for box in page.locator(".card input[type=checkbox]").all():
        box.check()
    assert page.locator("#compare thead th").count() == 2
    page.fill("#weight-0", "0.5")
    page.fill("#weight-1", "0.5")
    page.select_option("#merge-method", "average")
    page.click("#merge button")
    page.wait_for_function("document.querySelectorAll('.card').length === 3")
    assert "0.5 Copy + 0.5 Fish" in page.inner_text(".card:first-child")
    assert "not measured" in page.inner_text(".card:first-child")


def refused_by_policy(browser: Any, address: str) -> list[str]:
    """What the browser does not show of a page because of its security policy."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("body[data-ready=true], body:not(:has(script))", state="attached")
    page.close()
    return [one for one in said if "Content Security Policy" in one]


def test_the_policy_of_the_page_lets_all_of_it_through(browser: Any, studio: tuple[Path, str]) -> None:
    assert refused_by_policy(browser, studio[1]) == []


def test_what_the_check_finds_is_clicked_away(page: Any, tmp_path: Path) -> None:
    similar = tmp_path / "similar.jpg"
    drawing = open_image(DRAWINGS[1])
    drawing.resize((drawing.width // 2, drawing.height // 2)).save(similar, quality=80)
    (tmp_path / "broken.png").write_bytes(b"no image")
    new_project(page, "Twice", [DRAWINGS[0], DRAWINGS[1], DRAWINGS[2]])
    page.fill("#class-name", "carp")
    files = [similar, DRAWINGS[2], tmp_path / "broken.png"]
    page.set_input_files("#all-drop input[type=file]:not([webkitdirectory])", files)
    page.wait_for_function("document.querySelectorAll('.class .thumb').length === 6")
    page.click("#check")
    page.wait_for_selector(".finding:has-text('similar images') .thumb img")
    for words in ("under different labels", "cannot be read"):
        assert page.locator(f".finding:has-text('{words}') .thumb").count() > 0
    before = page.locator(".finding").count()
    for name in ("similar.jpg", DRAWINGS[2].name, "broken.png"):
        page.locator(f".finding button[aria-label$='{name}']").last.click()
        page.wait_for_function("n => document.querySelectorAll('.finding').length < n", arg=before)
        before = page.locator(".finding").count()
    assert page.locator(".class .thumb").count() == 3


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (["a.png"], [""]),
        (["cat/a.png", "cat/2019/b.png"], ["cat", "cat"]),
        (["pets/cat/a.png", "pets/dog/b.png"], ["cat", "dog"]),
        (["pets/cat/old/a.png", "pets/dog/new/b.png"], ["cat", "dog"]),
        (["d/train/cat/a.png", "d/val/cat/b.png", "d/Test set/dog/c.png"], ["cat", "cat", "dog"]),
        (["train/a.png"], ["train"]),
        ([], []),
    ],
)
def test_folders_that_are_dropped_say_the_classes(page: Any, paths: list[str], classes: list[str]) -> None:
    found = page.evaluate("async paths => (await import('/page/images.js')).classesOf(paths)", paths)
    assert found == classes


def test_a_closed_page_and_a_restarted_studio_find_the_training_again(browser: Any, tmp_path: Path) -> None:
    process, address = start_studio(tmp_path)
    page = browser.new_page(bypass_csp=True)
    page.set_default_timeout(120_000)
    open_page(page, address)
    assert "train one first" in page.inner_text("#try") and not page.is_visible("#adapter")
    new_project(page, "Fish", DRAWINGS[:5])
    train(page, {"trainer.max_steps": "4000"})
    assert "not measured yet" in page.locator(".dial").nth(2).inner_text()
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
    assert page.is_visible("#adapter") and not page.is_visible("#try-nothing")
    assert page.locator(".dial").nth(2).inner_text().endswith("not measured")
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


def test_the_keyboards_focus_stays_where_images_are_added_and_removed(page: Any) -> None:
    new_project(page, "Keys", DRAWINGS[:3])
    with page.expect_file_chooser() as chooser:
        page.locator("#classes button:has-text('Choose files')").press("Enter")
    chooser.value.set_files([DRAWINGS[3]])
    page.wait_for_function("document.querySelectorAll('.class .thumb').length === 4")
    assert page.evaluate("document.activeElement.textContent") == "Choose files"
    page.locator(".class .thumb button").first.focus()
    for left in (3, 2):
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelectorAll('.class .thumb').length === {left}")
        assert page.evaluate("document.activeElement.ariaLabel").startswith("Remove ")


def test_a_long_name_does_not_widen_the_page_of_a_telephone(browser: Any, studio: tuple[Path, str]) -> None:
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 900}, bypass_csp=True)
    open_page(page, studio[1])
    new_project(page, "a name of many words, " * 8, DRAWINGS[:1])
    page_width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert page_width <= WIDTHS[0]


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
