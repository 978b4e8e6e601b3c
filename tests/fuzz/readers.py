"""Everything that reads files of strangers, each with sound files to mutate."""

from __future__ import annotations

import copy
import io
import json
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from tests.adapters.networks import perturb, small_network
from tests.conftest import PREPROCESSING
from tests.fuzz.mutations import as_json, mutated_bytes, mutated_tree
from visionlora.adapters import FAMILIES, LoraConfig, attach, load_adapter, save_adapter
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.data import ImageDataset, scan, shuffled_loader
from visionlora.data.files.archive import MAX_BYTES, MAX_FILES, _unpack
from visionlora.data.files.archive_members import Limit
from visionlora.data.images.decode import open_image
from visionlora.data.splits.manifest import read_manifest
from visionlora.data.tables.table import labels_in, read_table
from visionlora.models import WeightsMetadata
from visionlora.models.weights import fill, read_weights, rename_keys
from visionlora.notices import Notices
from visionlora.optimizers.config import OptimizerConfig
from visionlora.retention.config import RetentionConfig
from visionlora.run_folder.checkpoints import Checkpoints
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.kernel_choices import read_kernels
from visionlora.run_folder.state_file import read_state, write_state
from visionlora.run_folder.trainer_state import capture, restore
from visionlora.settings import keys_of
from visionlora.training.config import RunConfig, read_config
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter

Read = Callable[[int], None]
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Reader:
    """Something that reads files.

    Attributes:
        prepare: makes sound files in a folder and gives what reads the mutation of a number.
        count: how many mutations the slow test reads.
    """

    prepare: Callable[[Path], Read]
    count: int


def images(folder: Path) -> Read:
    """Images in every format that Pillow can write here."""
    contents = _image_files()

    def read(number: int) -> None:
        chance = random.Random(number)
        path = folder / "image"
        path.write_bytes(mutated_bytes(chance.choice(contents), chance))
        open_image(path, shorter_side=chance.choice((None, 8)))

    return read


def adapter_settings(folder: Path) -> Read:
    """``adapter_config.json`` of every family."""
    saved = _saved_adapters(folder)

    def read(number: int) -> None:
        chance = random.Random(number)
        directory = chance.choice(saved)
        sound = (directory / CONFIG).read_bytes()
        tree = chance.random() < 0.8
        content = (
            as_json(mutated_tree(json.loads(sound), chance), chance) if tree else mutated_bytes(sound, chance)
        )
        changed = folder / "changed"
        changed.mkdir(exist_ok=True)
        (changed / CONFIG).write_bytes(content)
        shutil.copyfile(directory / TENSORS, changed / TENSORS)
        load_adapter(_network(), changed, check_fingerprint=False)

    return read


def adapter_tensors(folder: Path) -> Read:
    """``adapter_model.safetensors``: bytes, and other tensors under the same names."""
    saved = _saved_adapters(folder)

    def read(number: int) -> None:
        chance = random.Random(number)
        directory = chance.choice(saved)
        changed = folder / "changed"
        changed.mkdir(exist_ok=True)
        shutil.copyfile(directory / CONFIG, changed / CONFIG)
        (changed / TENSORS).write_bytes(mutated_safetensors((directory / TENSORS).read_bytes(), chance))
        load_adapter(_network(), changed, check_fingerprint=False)

    return read


def weight_files(folder: Path) -> Read:
    """``.pth`` in both of PyTorch's formats and ``.safetensors``."""
    state = small_network().state_dict()
    metadata = WeightsMetadata.of_imagenet("squeezenet1_1").with_outputs(5).as_text()
    save_file(dict(state), folder / "sound.safetensors", metadata=metadata)
    torch.save(state, folder / "sound.pth")
    torch.save({"state_dict": state, "epoch": 3}, folder / "old.pth", _use_new_zipfile_serialization=False)
    sound = [(folder / name) for name in ("sound.safetensors", "sound.pth", "old.pth")]
    contents = [(path.suffix, path.read_bytes()) for path in sound]
    about = WeightsMetadata.of_imagenet("squeezenet1_1").with_outputs(5)

    def read(number: int) -> None:
        chance = random.Random(number)
        suffix, content = chance.choice(contents)
        path = folder / f"changed{suffix}"
        if suffix == ".safetensors":
            path.write_bytes(mutated_safetensors(content, chance))
        elif chance.random() < 0.3:
            torch.save(unusual_state(state, chance), path)
        else:
            path.write_bytes(mutated_bytes(content, chance))
        file = read_weights(path)
        network = small_network()
        fill(network, rename_keys(file.state, network.state_dict()), str(path))
        about.updated(file.metadata, str(path))

    return read


def tables(folder: Path) -> Read:
    """CSV and JSON Lines."""
    for name in ("a.png", "b.png", "sub/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    sound = {
        ".csv": b"path,label,split\na.png,cat,train\nb.png,dog,val\nsub/c.png,cat,train\n",
        ".tsv": b"file_name\tclass\na.png\tcat\nc.png\tdog\n",
        ".txt": b"a.png;cat\nb.png;dog\n",
        ".jsonl": b'{"file_name": "a.png", "label": "cat"}\n{"file_name": "b.png", "label": "dog"}\n',
    }

    def read(number: int) -> None:
        chance = random.Random(number)
        suffix = chance.choice(list(sound))
        path = folder / f"table{suffix}"
        path.write_bytes(mutated_bytes(sound[suffix], chance))
        labels_in(path)
        read_table(path, class_name=chance.choice((None, "cat")))

    return read


def configurations(folder: Path) -> Read:
    """A run's ``config.yaml``, as text and as values; its manifest and its kernels."""
    values = OmegaConf.to_container(_defaults())
    kernels = {"conv, (1, 3, 8, 8)": {"implementation": "rule", "seconds": {"rule": 0.1}}}
    manifest = {"images": [{"role": "train", "path": "a.png", "size": 3, "sha256": "0", "label": None}]}

    def read(number: int) -> None:
        chance = random.Random(number)
        kind = chance.random()
        if kind < 0.7:
            read_config(OmegaConf.create(mutated_tree(values, chance)))
            return
        path = folder / "file.json"
        path.write_bytes(as_json(mutated_tree(chance.choice((kernels, manifest)), chance), chance))
        read_manifest(path) if kind < 0.85 else read_kernels(path)

    return read


def checkpoints(folder: Path) -> Read:
    """A checkpoint: bytes, and other values under a checksum that fits, put into a trainer."""
    module, trainer, loader = training_of(small_network(), folder)
    state = capture(trainer, module)
    path = folder / "step-2.safetensors"
    write_state(path, state)
    sound = path.read_bytes()

    def read(number: int) -> None:
        chance = random.Random(number)
        if chance.random() < 0.4:
            path.write_bytes(mutated_safetensors(sound, chance))
        else:
            write_state(path, mutated_state(state, chance))
        Checkpoints(folder).newest(lambda line: None)
        restore(trainer, module, read_state(path), loader)

    return read


def run_folders(folder: Path) -> Read:
    """``config.yaml``, ``run.json`` and ``images.json`` of a run that is resumed."""
    values = OmegaConf.to_container(_defaults())
    record = {
        "directory": ".", "inputs": {"torch": "2.15", "the number of threads": 2}, "forced": [],
        "learning_rate_trials": [{"lr": 0.1, "val/objective": 0.5}], "finished": False,
    }  # fmt: skip
    images = {"images": [{"role": "train", "path": "a.png", "size": 3, "sha256": "0", "label": None}]}
    keys = keys_of(RunConfig)

    def read(number: int) -> None:
        chance = random.Random(number)
        which = chance.choice(("config.yaml", "config.yaml", "run.json", "images.json"))
        for name, value in (("config.yaml", values), ("run.json", record), ("images.json", images)):
            content = as_json(mutated_tree(value, chance) if name == which else value, chance)
            if name == "config.yaml":  # of which JSON is a part
                content = yaml.safe_dump(value).encode() if name != which else content
                content = mutated_bytes(content, chance) if chance.random() < 0.3 else content
            (folder / name).write_bytes(content)
        run, config = RunFolder.resume(folder, {"lora.rank": 8}, keys, force=True)
        read_config(config)
        run.check_inputs({}, [], {"torch": "2.15"}, Notices(Console(quiet=True)))

    return read


def archives(folder: Path) -> Read:
    """Zip and tar files."""
    contents = _archives()

    def read(number: int) -> None:
        chance = random.Random(number)
        name = chance.choice(list(contents))
        path, target = folder / name, folder / "unpacked"
        path.write_bytes(mutated_bytes(contents[name], chance))
        shutil.rmtree(target, ignore_errors=True)
        _unpack(path, [path], target, Limit(MAX_BYTES, MAX_FILES))

    return read


READERS: Mapping[str, Reader] = {
    "images": Reader(images, 5000),
    "adapter settings": Reader(adapter_settings, 5000),
    "adapter tensors": Reader(adapter_tensors, 2500),
    "weight files": Reader(weight_files, 2500),
    "tables": Reader(tables, 3000),
    "configurations": Reader(configurations, 2500),
    "archives": Reader(archives, 2000),
    "checkpoints": Reader(checkpoints, 1000),
    "run folders": Reader(run_folders, 1000),
}


def mutated_safetensors(content: bytes, chance: random.Random) -> bytes:
    """Changed bytes, or a changed header that says its own length."""
    if chance.random() < 0.5:
        return mutated_bytes(content, chance)
    length = int.from_bytes(content[:8], "little")
    header = as_json(mutated_tree(json.loads(content[8 : 8 + length]), chance), chance)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def mutated_state(state: Any, chance: random.Random) -> Any:
    """A checkpoint's state with some of its values replaced, tensors too."""
    if isinstance(state, Mapping):
        return {key: mutated_state(value, chance) for key, value in state.items() if chance.random() > 0.01}
    if isinstance(state, (list, tuple)):
        return [mutated_state(value, chance) for value in state]
    if chance.random() > 0.03:
        return state
    return chance.choice((None, -1, 10**400, "x", [], {}, torch.zeros(3), float("inf"), {"x": [1]}, True))


def training_of(network: torch.nn.Module, folder: Path) -> tuple[Any, Any, Any]:
    """A module, a trainer that has taken two steps, and the loader."""
    for split in ("train", "val"):
        for name in ("red", "blue"):
            path = folder / "images" / split / name / "a.png"
            path.parent.mkdir(parents=True)
            Image.effect_noise((24, 24), 90).save(path)
    attach(network, LoraConfig(rank=2))
    dataset = ImageDataset(scan(folder / "images").train, PREPROCESSING, targets={"red": 0, "blue": 1})
    loader = shuffled_loader(dataset, 2)
    fitter = Fitter(torch.device("cpu"), "32-true", None, loader, None)
    module = LoraModule(network, 2, OptimizerConfig(lr=0.01), RetentionConfig())
    trainer = fitter.trainer(2)
    fitter.fit(trainer, module)
    return module, trainer, loader


def unusual_state(state: Mapping[str, torch.Tensor], chance: random.Random) -> dict[Any, Any]:
    """A state dict with a tensor, or a key, that no network has."""
    key = chance.choice(list(state))
    dense = state[key].float().reshape(-1)
    tensors: Sequence[Any] = (
        dense.to_sparse(),
        torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8),
        dense.to("meta"),
        dense.to(torch.complex64),
        state[key].double() * float("nan"),
        torch.zeros(1).expand(2**40),
        torch.empty(2**30, 0),
        state[key].bool(),
        torch.nn.Parameter(dense),
        3,
        None,
        [dense],
    )
    changed: dict[Any, Any] = {**state, key: chance.choice(tensors)}
    if chance.random() < 0.3:
        changed[chance.choice((3, None, ("a",), "x" * 100_000))] = dense
    return changed


@cache
def _defaults() -> DictConfig:
    from visionlora.command import compose
    from visionlora.train import COMMAND

    config = compose(COMMAND, ["data.root=images"])
    assert COMMAND.options is RunConfig
    return config


def _image_files() -> list[bytes]:
    chance = random.Random(0)
    picture = Image.frombytes("RGB", (24, 20), chance.randbytes(24 * 20 * 3))
    contents = []
    for image, kind, options in (
        (picture, "JPEG", {}),
        (picture, "JPEG", {"progressive": True}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {}),
        (picture.quantize(16), "PNG", {"transparency": 0}),
        (picture.convert("I;16"), "PNG", {}),
        (picture.quantize(16), "GIF", {}),
        (picture, "WEBP", {}),
        (picture, "BMP", {}),
        (picture, "PPM", {}),
        (picture, "TIFF", {}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (picture, "JPEG2000", {}),
        (picture, "AVIF", {}),
    ):
        with io.BytesIO() as file:
            try:
                image.save(file, kind, exif=Image.Exif(), **options)
            except (KeyError, OSError, ValueError):  # this Pillow does not write that format
                continue
            contents.append(file.getvalue())
    return contents


def _saved_adapters(folder: Path) -> list[Path]:
    saved = []
    for family, cls in FAMILIES.items():
        if not issubclass(cls, ModuleAdapter):
            network = attach(_network(), LoraConfig(family=family, rank=2, rank_pattern={"0": 4}))
            perturb(network)
            saved.append(save_adapter(network, folder / family, modules_to_save=["1"], extra={"model": "x"}))
    return saved


def _network() -> torch.nn.Module:
    return copy.deepcopy(_network_once())


@cache
def _network_once() -> torch.nn.Module:
    return small_network()


def _archives() -> dict[str, bytes]:
    image = _image_files()[3]
    contents: dict[str, bytes] = {}
    members = ("cat/a.png", "cat/b.png", "dog/c.png")
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in members:
                archive.writestr(name, image)
        contents["a.zip"] = file.getvalue()
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tar.xz", "w:xz"), (".tar.bz2", "w:bz2")):
        with io.BytesIO() as file:
            with tarfile.open(fileobj=file, mode=mode) as archive:
                for name in members:
                    member = tarfile.TarInfo(name)
                    member.size = len(image)
                    archive.addfile(member, io.BytesIO(image))
            contents[f"a{suffix}"] = file.getvalue()
    return contents
