"""The commands and programs on the pages of the documentation, and the folders that they name."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "data" / "pocket_photos"
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "benchmarks", "examples")
    for page in (ROOT / folder).glob("*.md")
    if "```" in page.read_text(encoding="utf-8")
)
"""Every page with a block of code."""
NOT_RUN = {
    "make": "what continuous integration itself runs",
    "python3 -m venv": "tests/test_newcomer.py follows it",
    ". .venv/bin/activate": "tests/test_newcomer.py follows it",
    "pip install": "tests/test_newcomer.py installs a checkout and the wheel",
    "hf auth login": "asks for a token",
    "visionlora studio": "serves until it is stopped; tests/studio starts it",
    "torchrun": "needs two machines; tests/training/test_processes.py starts one",
    "srun": "needs a cluster",
    "visionlora train -m data=goldfish lora.rank=1,2,4,8 hydra/launcher=": "tests/test_launchers.py does",
    "visionlora train -m data=goldfish hydra/sweeper=search": "tests/test_launchers.py runs it",
    "python -m benchmarks.": "measures for minutes or hours; only whether its options exist is tested",
}
"""How lines begin that no test runs as they are, and why."""
LEFT_OUT = {
    "benchmarks/RESULTS.md": "measurements alone",
}
"""Pages whose blocks no test runs, and why."""
SHORT = {
    "train": (
        "trainer.max_steps=2", "trainer.validations=1", "retention.per_step=2", "data.batch_size=4",
        "lora.rank=2", "trainer.progress=false", "trainer.kernel=rule", "trainer.precision=32-true",
        "lora.targets=classifier", "retention.generated=4", "contrast.generated=0",
    ),
    "meta": ("meta.classes=2", "meta.steps=2", "lora.rank=2", "lora.targets=classifier"),
}  # fmt: skip
"""Put before what a command's line says itself."""
SMALLER = {
    "vgg19": ("model=squeezenet1_1", "model.weights=small.safetensors"),
    "resnet50": ("model=resnet18", "model.weights=none"),
    "resnet18": ("model=pocket",),
    "squeezenet1_0": ("model=pocket",),
}
"""Networks that need no download and take less time; ``explain`` needs neither."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of a page, in order: language ("" where none is given) and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.M)


def lines(text: str) -> list[list[str]]:
    """The words of each line of a shell block; a line that ends in a backslash goes on in the next one."""
    whole = text.replace("\\\n", " ")
    return [words for line in whole.splitlines() if (words := shlex.split(line, comments=True))]


def why_not_run(words: list[str]) -> str | None:
    """The line's beginning in :data:`NOT_RUN`; None: it is run."""
    plain = [word for word in words if not re.fullmatch(r"[A-Z_]+=\w+", word)]  # variables of the environment
    return next((start for start in NOT_RUN if " ".join([*plain, ""]).startswith(start)), None)


def shortened(words: list[str]) -> list[str]:
    """A line of ``visionlora COMMAND ...``, for fewer steps of a smaller network."""
    _, command, *given = words
    said = {word.partition("=")[0] for word in given} - {"model"}
    smaller: list[str] = [word for word in given if word == "-m"]
    smaller += [word for word in SHORT.get(command, ()) if word.partition("=")[0] not in said]
    for word in given:
        instead = SMALLER.get(word.removeprefix("model="), ()) if command != "explain" else ()
        smaller += [one for one in instead if one.partition("=")[0] not in said] or [word]
    return [command, *smaller]


def make_folders(folder: Path) -> None:
    """The folders that the pages name, with photos of the pocket network's classes."""
    sources = sorted(path for path in (PHOTOS / "val").iterdir() if path.is_dir())
    for name in ("my_images", "mine"):
        for source, label in zip(sources, ("ant", "bee"), strict=False):
            _copy(source, folder / name / label, 4)
    for name in ("labelled", "many_classes", "few_drawings"):
        for source in sources[3:5]:
            _copy(source, folder / name / source.name, 4)
    for name, label in (("one_more_class", "wasp"), ("next", "moth")):
        _copy(sources[2], folder / name / label, 4)
    for place in (3, 4):
        _copy(sources[place], folder / "labelled_photos" / sources[place].name, 2)
    for name in ("any_photos", "new_images", "photos", "FOLDER"):
        _copy(sources[5], folder / name, 4)
    shutil.make_archive(str(folder / "new_images"), "zip", folder / "new_images")
    photos = sorted((folder / "my_images").rglob("*.jpg"))
    rows = [f"{photo},{['ant', 'ant|bee', 'bee', ''][place % 4]}" for place, photo in enumerate(photos)]
    (folder / "my_labels.csv").write_text("\n".join(["path,labels", *rows]))


def _copy(source: Path, target: Path, count: int) -> None:
    target.mkdir(parents=True)
    for place, image in enumerate(sorted(source.iterdir())[:count]):
        with Image.open(image) as photo:
            photo.save(target / f"{place:02}.jpg")
