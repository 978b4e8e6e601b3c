# ruff: noqa: E501 - a case a line reads better
"""What other trainers and hubs leave in a folder, and competitions with several tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import CLASSES, HALF, ONE, TWO, Case, below, both, files, image_bytes, many, table

TRAINED = both(many(*below("train"), *below("val")))


def hub_cache(folder: Path) -> None:
    """``datasets--user--pets`` as huggingface_hub keeps it: links with names to files without."""
    top = folder / "datasets--user--pets"
    files("refs/main", "blobs/")(top)
    for place, name in enumerate(f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(4)):
        (top / f"blobs/{place:064x}").write_bytes(image_bytes())
        path = top / "snapshots/0123abcd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(f"../../../blobs/{place:064x}")


def left_by_trainers() -> Iterator[Case]:
    yield Case("the cache of Hugging Face", hub_cache, counts=TWO, notes=("snapshots/0123abcd is the only folder with images: entered",))  # fmt: skip
    yield Case("a folder of blobs", many("blobs/{}.png", "other/{}.png"), counts={"blobs": ONE, "other": ONE})
    yield Case("Ultralytics' runs beside classes", both(many(*CLASSES), files("runs/classify/train/args.yaml", "runs/classify/train/train_batch0.jpg", "runs/classify/train/weights/best.pt")), counts=TWO, silent=True)  # fmt: skip
    yield Case("YOLOv5's runs beside splits", both(TRAINED, files("runs/train-cls/exp/opt.yaml", "runs/train-cls/exp/test_images.jpg")), counts={"cat": (4, 4, 0), "dog": (4, 4, 0)}, silent=True)  # fmt: skip
    yield Case("a class called runs that holds images", many("runs/{}.png", "stands/{}.png"), counts={"runs": ONE, "stands": ONE}, notes=("runs is taken for a class",))  # fmt: skip
    yield Case("fastai's models beside classes", both(many(*CLASSES), files("models/stage-1.pth")), counts=TWO, silent=True)  # fmt: skip
    yield Case("TensorBoard's logs and Keras' checkpoints", both(many(*CLASSES), files("logs/train/events.out.tfevents.1.host", "checkpoints/cp.ckpt.index")), counts=TWO, silent=True)  # fmt: skip
    yield Case("Kohya's folders", both(many("img/10_sks dog/{}.png", "img/1_cat/{}.png"), files("log/", "model/last.safetensors")), counts={"10_sks dog": ONE, "1_cat": ONE}, notes=("img is the only folder",))  # fmt: skip
    yield Case("classes called model and log", many("model/{}.png", "log/{}.png"), counts={"model": ONE, "log": ONE}, silent=True)  # fmt: skip
    for name in ("results", "augmented", "backup", "predictions"):
        yield Case(f"a folder {name} beside classes", many(*CLASSES, f"{name}/{{}}.png"), counts={**TWO, name: ONE}, notes=(f"{name} is taken for a class",))  # fmt: skip


def competitions() -> Iterator[Case]:
    parts = many("HAM10000_images_part_1/I{}.jpg", "HAM10000_images_part_2/J{}.jpg")
    labels = table(
        "HAM10000_metadata.csv", "lesion_id,image_id,dx\nH1,I0,bkl\nH2,I1,nv\nH3,J0,nv\nH4,J1,bkl\n"
    )
    yield Case("parts of a data set that a table labels", both(parts, labels), counts={"bkl": HALF, "nv": HALF}, notes=("HAM10000_images_part_1, HAM10000_images_part_2 are not taken for classes: the labels are those of HAM10000_metadata.csv",))  # fmt: skip
    yield Case("the table that labels the parts", both(parts, labels), root="HAM10000_metadata.csv", counts={"bkl": HALF, "nv": HALF})  # fmt: skip
    several = both(
        many("train_images/{}.png", "test_images/t{}.png"),
        table("sample_submission.csv", "id_code,diagnosis\nt0,0\nt1,0\n"),
        table("test.csv", "id_code\nt0\nt1\n"),
        table("train.csv", "id_code,diagnosis\n0,2\n1,0\n2,2\n3,0\n"),
    )
    yield Case("a table of labels beside an example of a submission", several, counts={"0": HALF, "2": HALF}, notes=("the labels are those of train.csv", "test_images holds images without labels: left out"))  # fmt: skip
    yield Case("a table of labels beside one of test images", both(many("images/{}.jpg"), table("a.csv", "image_id\n3\n"), table("z.csv", "image_id,rust,scab\n0,1,0\n1,0,1\n")), counts={"rust": (1, 0, 0), "scab": (1, 0, 0)}, notes=("2 images are not in z.csv: left out",))  # fmt: skip
    yield Case("lists of paths and numbers beside images", both(many("images/{}.jpg"), table("train.txt", "images/0.jpg 0\nimages/1.jpg 1\n")), error="train.txt, if that lists their labels")  # fmt: skip
    yield Case("Pascal VOC's boxes beside images", both(many("train/{}.jpg"), files("train/0.xml", "train/1.xml")), error="train looks like boxes for object detection")  # fmt: skip
    yield Case("measurements for labels", table("t.csv", "filename,target\ni/a.png,1.37\ni/b.png,2.5\n", "i/a.png", "i/b.png"), root="t.csv", counts={"1.37": (1, 0, 0), "2.5": (1, 0, 0)}, notes=("classes are decimal numbers (1.37, 2.5)",))  # fmt: skip
    yield Case("decimal numbers that are classes", table("t.csv", "filename,label\ni/a.png,0.0\ni/b.png,1.0\n", "i/a.png", "i/b.png"), root="t.csv", counts={"0.0": (1, 0, 0), "1.0": (1, 0, 0)}, silent=True)  # fmt: skip
