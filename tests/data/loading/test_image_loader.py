from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from tests.conftest import Draw, Sizes
from visionlora.data.check.check_images import check
from visionlora.data.images.augment import AugmentConfig, Normalise, training_transform
from visionlora.data.images.cache import ImageCache
from visionlora.data.images.decode import BadImage, ImageFile
from visionlora.data.loading.image_loader import ImageDataset, ImageLoader, make_loader, shuffled_loader
from visionlora.data.loading.samplers import EpochSampler, balanced_repeats, filling_repeats

COUNT = 10


@pytest.fixture
def images(draw: Draw) -> list[ImageFile]:
    return [ImageFile(draw(f"{i}.png", colour=(25 * i, 10, 200)), "ab"[i % 2]) for i in range(COUNT)]


def training_set(
    images: Sequence[ImageFile], sizes: Sizes, seed: int = 0, budget_mb: float = 8
) -> ImageDataset:
    cache = ImageCache(budget_mb, 48)
    check(images, cache)
    transform = training_transform(AugmentConfig(colour_jitter=0.3), sizes)
    return ImageDataset(images, sizes, targets={"a": 3, "b": 7}, transform=transform, cache=cache, seed=seed)


def names(size: int) -> list[str]:
    return [f"image {number}" for number in range(size)]


def epoch(loader: Any, number: int) -> list[dict[str, Tensor]]:
    loader.sampler.set_epoch(number)
    return list(loader)


def seen(batch: dict[str, Tensor]) -> tuple[Tensor, list[int]]:
    return batch["images"], batch["indices"].tolist()


def same(one: Sequence[dict[str, Tensor]], other: Sequence[dict[str, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a[key], b[key])
        for a, b in zip(one, other, strict=True)
        for key in ("images", "labels", "indices")
    )


def test_a_batch_has_images_labels_and_indices(images: list[ImageFile], sizes: Sizes) -> None:
    batches = list(shuffled_loader(training_set(images, sizes), batch_size=4))
    assert [len(batch["labels"]) for batch in batches] == [4, 4, 2]
    batch_images = batches[0]["images"]
    assert batch_images.shape == (4, 3, 32, 32)
    assert batch_images.dtype == torch.float32
    assert batch_images.is_contiguous(memory_format=torch.channels_last)
    for batch in batches:
        assert batch["labels"].dtype == batch["indices"].dtype == torch.int64
        for label, index in zip(batch["labels"].tolist(), batch["indices"].tolist(), strict=True):
            assert label == {"a": 3, "b": 7}[str(images[index].label)]
    assert sorted(torch.cat([batch["indices"] for batch in batches]).tolist()) == list(range(COUNT))


def test_without_shuffling_images_come_in_order_as_the_network_wants_them(
    images: list[ImageFile], sizes: Sizes
) -> None:
    dataset = ImageDataset(images, sizes)
    batch = next(iter(make_loader(dataset, batch_size=COUNT)))
    assert batch["indices"].tolist() == list(range(COUNT))
    assert batch["labels"].tolist() == [-1] * COUNT
    pixels = [dataset.transform(dataset.cache.read(image.path)) for image in images]
    assert torch.equal(batch["images"], Normalise(sizes.mean, sizes.std)(pixels))


def test_fewer_images_than_a_batch_make_an_epoch_of_one_batch(images: list[ImageFile], sizes: Sizes) -> None:
    loader = shuffled_loader(training_set(images[:3], sizes), batch_size=16)
    assert len(loader) == 1
    assert [len(batch["labels"]) for batch in loader] == [3]


@pytest.mark.parametrize(("count", "batch"), [(3, [15]), (8, [16]), (9, [9]), (1, [16])])
def test_a_handful_of_images_fills_a_batch_with_further_views(
    images: list[ImageFile], sizes: Sizes, count: int, batch: list[int]
) -> None:
    loader = shuffled_loader(
        training_set(images[:count], sizes), 16, repeats=filling_repeats([1] * count, 16)
    )
    batches = epoch(loader, 0) + epoch(loader, 1)
    assert [len(batch["labels"]) for batch in batches] == batch * 2
    first = [image for batch in batches for image, index in zip(*seen(batch), strict=True) if index == 0]
    assert len({image.numpy().tobytes() for image in first}) == len(first), "no view comes twice"


@pytest.mark.parametrize("budget_mb", [8, 0])
def test_worker_processes_give_the_same_batches(
    images: list[ImageFile], sizes: Sizes, budget_mb: float
) -> None:
    here = shuffled_loader(training_set(images, sizes, budget_mb=budget_mb), 4)
    there = shuffled_loader(training_set(images, sizes, budget_mb=budget_mb), 4, workers=2)
    for number in (0, 1):
        assert same(epoch(here, number), epoch(there, number))


@pytest.mark.parametrize(
    ("owner", "name", "error", "said"),
    [
        (torch.UntypedStorage, "_share_fd_cpu_", RuntimeError("unable to allocate shared memory"), "is full"),
        (torch.UntypedStorage, "_share_fd_cpu_", OSError(24, "Too many open files"), "is full"),
        (SemLock, "__init__", OSError(30, "Read-only file system"), "Read-only file system"),
    ],
)
def test_without_room_in_shared_memory_worker_processes_give_the_same_batches(
    images: list[ImageFile],
    sizes: Sizes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: type,
    name: str,
    error: Exception,
    said: str,
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise error

    here = shuffled_loader(training_set(images, sizes), 4)
    there = shuffled_loader(training_set(images, sizes), 4, workers=1)
    there.timeout = 0 if owner is SemLock else 20  # a batch that is lost is waited for
    monkeypatch.setattr(owner, name, full)
    for number in (0, 1):
        assert same(epoch(here, number), epoch(there, number))
    assert [said in line for line in caplog.messages] == [True]


def test_batches_depend_on_seed_and_epoch_and_on_nothing_else(images: list[ImageFile], sizes: Sizes) -> None:
    loader = shuffled_loader(training_set(images, sizes), 4, seed=0)
    torch.manual_seed(1)
    first, second = epoch(loader, 0), epoch(loader, 1)
    torch.manual_seed(2)
    assert same(epoch(loader, 1), second)
    assert same(epoch(shuffled_loader(training_set(images, sizes), 4, seed=0), 0), first)
    assert not same(first, second)
    assert not same(epoch(shuffled_loader(training_set(images, sizes), 4, seed=1), 0), first)


def test_an_images_augmentation_depends_on_neither_its_batch_nor_its_neighbours(
    images: list[ImageFile], sizes: Sizes
) -> None:
    dataset = training_set(images, sizes)
    small, large = shuffled_loader(dataset, 2), shuffled_loader(dataset, 7, seed=9)

    def by_index(batches: list[dict[str, Tensor]]) -> dict[int, Tensor]:
        return {
            int(index): image
            for batch in batches
            for index, image in zip(batch["indices"], batch["images"], strict=True)
        }

    one, other = by_index(epoch(small, 2)), by_index(epoch(large, 2))
    assert all(torch.equal(one[index], other[index]) for index in range(COUNT))
    assert not torch.equal(one[0], by_index(epoch(small, 3))[0])


def test_an_added_image_and_new_names_change_no_other_images_augmentation_or_order(
    images: list[ImageFile], sizes: Sizes
) -> None:
    renamed = [
        ImageFile(image.path.rename(image.path.with_name(f"z{COUNT - number}.png")), image.label)
        for number, image in enumerate(images[1:])
    ]
    more = epoch(shuffled_loader(training_set(images[:1] + renamed, sizes), 1), 1)
    fewer = epoch(shuffled_loader(training_set(renamed[::-1], sizes), 1), 1)
    without = [batch["images"] for batch in more if int(batch["indices"]) != 0]
    assert all(torch.equal(one, batch["images"]) for one, batch in zip(without, fewer, strict=True))


def test_loading_leaves_the_process_own_random_numbers_alone(images: list[ImageFile], sizes: Sizes) -> None:
    dataset = training_set(images, sizes)
    before = torch.get_rng_state()
    dataset[3, 1]
    assert torch.equal(torch.get_rng_state(), before)


@given(st.integers(1, 200), st.integers(0, 2**31), st.integers(0, 1000), st.integers(1, 5))
def test_an_epoch_is_a_permutation(size: int, seed: int, number: int, times: int) -> None:
    sampler = EpochSampler([times] * size, names(size), seed)
    sampler.set_epoch(number)
    keys = list(sampler)
    turns = range(number * times, (number + 1) * times)
    assert sorted(keys) == [(turn, index) for turn in turns for index in range(size)]
    assert keys == list(sampler)
    assert len(keys) == len(sampler)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_balanced_classes_come_equally_often_and_every_image_does(targets: list[int]) -> None:
    repeats = balanced_repeats(targets)
    most = max(Counter(targets).values())
    served = Counter(targets[index] for _, index in EpochSampler(repeats, names(len(repeats)), 0))
    assert served == dict.fromkeys(targets, most)
    for target in set(targets):
        own = [times for times, one in zip(repeats, targets, strict=True) if one == target]
        assert max(own) - min(own) <= 1
        assert min(own) >= 1
    keys = list(EpochSampler(repeats, names(len(repeats)), 0))
    assert len(set(keys)) == len(keys)


def test_a_class_without_an_output_is_an_error(images: list[ImageFile], sizes: Sizes) -> None:
    with pytest.raises(KeyError, match="b"):
        ImageDataset(images, sizes, targets={"a": 0})


def test_a_file_that_went_bad_meanwhile_is_named(images: list[ImageFile], sizes: Sizes) -> None:
    loader = make_loader(ImageDataset(images, sizes), 4)
    images[5].path.write_text("no image any more")
    with pytest.raises(BadImage, match=r"5\.png"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_interrupted_epoch_continues_with_the_very_next_batch(
    images: list[ImageFile], sizes: Sizes, workers: int
) -> None:
    whole = epoch(shuffled_loader(training_set(images, sizes), 3), 4)
    interrupted = shuffled_loader(training_set(images, sizes), 3, workers=workers)
    interrupted.sampler.set_epoch(4)  # type: ignore[attr-defined]
    served = iter(interrupted)
    seen = [next(served), next(served)]
    resumed = shuffled_loader(training_set(images, sizes), 3, workers=workers)
    resumed.load_state_dict(interrupted.state_dict())
    assert same(seen + epoch(resumed, 4), whole)
    assert same(epoch(resumed, 4), whole)  # only once


def test_a_state_from_the_end_of_an_epoch_does_not_touch_the_next(
    images: list[ImageFile], sizes: Sizes
) -> None:
    loader = shuffled_loader(training_set(images, sizes), 3)
    epoch(loader, 0)
    state = loader.state_dict()
    resumed = shuffled_loader(training_set(images, sizes), 3)
    resumed.load_state_dict(state)
    assert same(epoch(resumed, 1), epoch(loader, 1))


class Recorder(lightning.LightningModule):
    """Learns next to nothing and writes down what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[list[int], float]] = []

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        self.seen.append((batch["indices"].tolist(), float(batch["images"].double().sum())))
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(loader: Any, steps: int, resume: Path | None = None, save: Path | None = None) -> Recorder:
    module = Recorder()
    checkpoints = [ModelCheckpoint(save, "{step}", every_n_train_steps=1, save_top_k=-1)] if save else []
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=save is not None,
        enable_progress_bar=False, enable_model_summary=False, callbacks=checkpoints,
    )  # fmt: skip
    trainer.fit(module, loader, ckpt_path=resume)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, 1])
def test_under_lightning_a_resumed_run_sees_what_an_uninterrupted_one_does(
    images: list[ImageFile], sizes: Sizes, tmp_path: Path, workers: int
) -> None:
    def loader() -> Any:  # 4 batches an epoch
        return shuffled_loader(training_set(images, sizes), 3, workers=workers)

    whole = fit(loader(), 10, save=tmp_path).seen
    assert sorted(index for indices, _ in whole[:4] for index in indices) == list(range(COUNT))
    assert whole[0][0] != whole[4][0]
    for stop in (1, 3, 4, 5, 7, 8, 9):
        assert fit(loader(), 10, resume=tmp_path / f"step={stop}.ckpt").seen == whole[stop:], stop


@pytest.mark.parametrize("new_loader", [make_loader, shuffled_loader])
def test_a_set_without_images_is_a_loader_without_batches(
    sizes: Sizes, new_loader: Callable[[ImageDataset, int], ImageLoader]
) -> None:
    loader = new_loader(ImageDataset([], sizes), 8)
    assert filling_repeats([], 8) == []
    assert (list(loader), len(loader)) == ([], 0)
