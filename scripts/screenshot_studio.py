"""Screenshots of a studio that runs, for docs/: ``python scripts/screenshot_studio.py ADDRESS``.

It needs playwright and Debian's chromium. The studio should have two finished trainings, which are compared.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = {"studio": 1280, "studio_tablet": 820, "studio_phone": 390}


def main() -> None:
    """Take the screenshots."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width in WIDTHS.items():
            page = browser.new_page(viewport={"width": width, "height": 900}, bypass_csp=True)
            page.set_default_timeout(120_000)
            page.goto(sys.argv[1])
            page.wait_for_selector("body[data-ready=true]")
            page.add_style_tag(content="header { position: static !important }")
            drawing = sorted((ROOT / "data" / "goldfish" / "train" / "goldfish").iterdir())[7]
            page.set_input_files("#try-drop input[type=file]", drawing)
            page.wait_for_selector("#tried:not([hidden])")
            page.click("#explain")
            page.wait_for_function("document.querySelectorAll('#heat img').length === 2")
            page.click("#check")
            page.wait_for_function("/\\d|wrong/.test(document.getElementById('check-state').textContent)")
            for box in page.locator(".card input[type=checkbox]").all()[:2]:
                box.check()
            for image in page.locator("img[loading=lazy]").all():
                if image.is_visible():
                    image.scroll_into_view_if_needed()  # images are loaded when they are near
            page.evaluate("window.scrollTo(0, 0)")
            page.wait_for_timeout(2000)
            page.screenshot(path=ROOT / "docs" / f"{name}.png", full_page=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
