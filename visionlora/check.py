"""Look at a folder before training: ``python -m visionlora.check data.root=FOLDER report=check.html``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from visionlora.command import launch
from visionlora.errors import VisionLoraError
from visionlora.settings import require

if TYPE_CHECKING:
    from visionlora.data.fingerprint import Fingerprint
    from visionlora.data.outliers import Stray
    from visionlora.data.splits import ImageFolder

WRONG = 1
"""The exit code where something would stop or mislead a training."""

SMALL = 2000
"""Images up to which ``strays=auto`` asks a network about each of them."""


@dataclass(frozen=True)
class CheckOptions:
    """What ``conf/check.yaml`` may say."""

    data: dict[str, Any]
    seed: int = 0
    anchors: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    retention: str | None = None
    model: str | None = "auto"
    weights: str = "imagenet"
    strays: str | bool = "auto"
    report: str | None = None
    cache: bool = True

    def __post_init__(self) -> None:
        if self.report is not None:
            wanted = Path(self.report).suffix.casefold() in (".html", ".htm")
            require(wanted, "report ends in .html", self.report)
        require(self.strays in ("auto", True, False), "strays is auto, true or false", self.strays)


def check(config: DictConfig) -> int:
    """Check, show, write; 1 where something would stop or mislead a training, 0 otherwise."""
    from rich.console import Console

    from visionlora.settings import build, plain

    return check_folder(build(CheckOptions, plain(config), "check"), Console())


def check_folder(options: CheckOptions, console: Any) -> int:
    """The command, without its configuration."""
    from visionlora.data.folders import scan_images, survey
    from visionlora.data.index import fingerprints
    from visionlora.data.inspect import inspect_folder
    from visionlora.data.outputs import describe_outputs
    from visionlora.data.split_names import SPLITS
    from visionlora.models import find_class
    from visionlora.paths import cache_directory
    from visionlora.report.folder_page import write_folder_page
    from visionlora.report.folder_table import show_summary

    data = options.data
    folder, problems = survey(
        data["root"], class_name=data.get("class_name"), val_fraction=data.get("val_fraction", 0.25),
        seed=options.seed,
    )  # fmt: skip
    others = {
        "anchors": scan_images(options.anchors),
        "negatives": scan_images(options.negatives),
        "retention": scan_images([options.retention] if options.retention else ()),
    }
    others = {role: images for role, images in others.items() if images}
    outputs = None
    if options.model is not None:
        outputs = describe_outputs(folder.classes, *_outputs_of(options.model, options.weights), find_class)
    files = [image for split in SPLITS for image in getattr(folder, split)]
    files += [image for images in others.values() for image in images]
    with _progress(console, "reading images") as advance:
        cache = cache_directory() if options.cache else None
        seen = fingerprints([image.path for image in files], cache, advance)
    strays = _strays(options, folder, seen, console)
    report = inspect_folder(
        folder, problems=problems, others=others, outputs=outputs, strays=strays, seen=seen
    )
    page = Path(options.report) if options.report else None
    if page is not None:
        write_folder_page(report, folder, page)
    show_summary(report, console, page)
    return WRONG if report.count("error") else 0


def _outputs_of(model: str, weights: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids of a network's outputs, without its weights where they are the published ones."""
    from visionlora.models import load_backbone
    from visionlora.models.backbone import AUTO, AUTO_CHOICE, POCKET
    from visionlora.models.metadata import About
    from visionlora.models.registry import check_name

    check_name(model, others=(AUTO, POCKET))
    if model == POCKET or weights != "imagenet":
        backbone = load_backbone(model, weights, progress=False)
        return backbone.categories, backbone.wnids
    about = About.of_imagenet(AUTO_CHOICE if model == AUTO else model)
    return about.categories, about.wnids


def _strays(
    options: CheckOptions, folder: ImageFolder, seen: dict[Path, Fingerprint], console: Any
) -> list[Stray]:
    """Images far from all others of their class, where a network is at hand to ask."""
    from visionlora.data.features import image_features
    from visionlora.data.outliers import Stray, far_from_class
    from visionlora.models.registry import final_layer

    images = [*folder.train, *folder.val, *folder.test]
    places = [place for place, image in enumerate(images) if seen[image.path].error is None]
    if options.strays is False or options.model is None or len(places) < 4:
        return []
    if options.strays == "auto" and len(places) > SMALL:
        return []
    backbone = _network(options)
    if backbone is None:
        return []
    with _progress(console, f"asking {backbone.name}") as advance:
        last = backbone.model.get_submodule(final_layer(backbone.model, len(backbone.categories)))
        paths = [images[place].path for place in places]
        features = image_features(backbone.model, last, backbone.preprocessing, paths, advance)
    found = far_from_class(features, [images[place].label or "" for place in places])
    return [Stray(places[one.place], one.own, one.other, one.nearest) for one in found]


def _network(options: CheckOptions) -> Any:
    """The network that features come from: the named one, if it need not be downloaded, else pocket."""
    from visionlora.models import load_backbone
    from visionlora.models.backbone import AUTO, AUTO_CHOICE, POCKET
    from visionlora.models.download import cache_path
    from visionlora.models.registry import default_weights

    model = AUTO_CHOICE if options.model == AUTO else options.model
    assert model is not None
    published = model != POCKET and options.weights == "imagenet"
    if published and not cache_path(default_weights(model).url).is_file():
        if options.strays == "auto":
            return load_backbone(POCKET, progress=False)
        raise VisionLoraError(
            f"strays=true needs the weights of {model}, which are not here; train with it once"
        )
    return load_backbone(model, options.weights, progress=False)


def _progress(console: Any, what: str) -> Any:
    """A bar while the block runs; yields what is called with (done, total)."""
    from contextlib import contextmanager

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def main() -> None:
    """Entry point of the command."""
    launch(check, "check")


if __name__ == "__main__":
    main()
