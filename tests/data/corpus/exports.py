# ruff: noqa: E501, RUF001 - a case a line reads better; letters that look like others are the point
"""What other programs export: labelling tools, Kaggle, microscopes, databases, spreadsheets, split archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    BODY,
    CLASSES,
    EACH,
    HALF,
    IMAGES,
    ONE,
    TWO,
    Case,
    Make,
    below,
    both,
    files,
    link,
    many,
    table,
    tarred,
    zipped,
)


def labelling_tools() -> Iterator[Case]:
    def case(name: str, text: str, *images: str, **expected: object) -> Case:
        return Case(name, table("t.csv", text, *(images or IMAGES)), root="t.csv", **expected)  # type: ignore[arg-type]

    yield case("Label Studio's CSV", "annotation_id,annotator,choice,created_at,id,image,lead_time\n1,1,cat,2024-01-01T10:00:00Z,1,/data/upload/1/3f2a-0.png,1.2\n2,1,dog,2024-01-01T10:00:00Z,2,/data/upload/1/77aa-1.png,2.1\n",
               "up/3f2a-0.png", "up/77aa-1.png", counts=EACH, notes=("2 files were found by name",))  # fmt: skip
    yield case("Label Studio's CSV of local files", "id,image,choice\n1,/data/local-files/?d=i/a.png,cat\n2,/data/local-files/?d=i%2Fb.png,dog\n", counts=EACH)  # fmt: skip
    yield case("Google AutoML's CSV", "TRAIN,gs://bucket/i/a.png,cat\nVALIDATION,gs://bucket/i/b.png,cat\n", counts={"cat": (1, 1, 0)}, split="given")  # fmt: skip
    yield case("GTSRB's Train.csv", "Width,Height,Roi.X1,Roi.Y1,ClassId,Path\n27,26,5,5,20,i/a.png\n28,27,5,6,0,i/b.png\n", counts={"20": (1, 0, 0), "0": (1, 0, 0)})  # fmt: skip
    yield case("ISIC's columns of 0.0 and 1.0", "image,MEL,NV,UNK\na,1.0,0.0,0.0\nb,0.0,1.0,0.0\n", counts={"MEL": (1, 0, 0), "NV": (1, 0, 0)})  # fmt: skip
    yield case("HAM10000", "lesion_id,image_id,dx,dx_type,age,localization\nHAM_1,ISIC_1,bkl,histo,80.0,scalp\nHAM_2,ISIC_2,mel,histo,80.0,scalp\n",
               "part_1/ISIC_1.jpg", "part_2/ISIC_2.jpg", counts={"bkl": (1, 0, 0), "mel": (1, 0, 0)})  # fmt: skip
    yield case("Kaggle's Image and Id", "Image,Id\na.png,w_1\nb.png,new_whale\n", counts={"w_1": (1, 0, 0), "new_whale": (1, 0, 0)}, notes=("column Id is taken for the label",))  # fmt: skip
    yield case("fast.ai's labels.csv", "name,label\ntrain/3/7.png,3\ntrain/7/5.png,7\nvalid/7/8.png,7\n", "train/3/7.png", "train/7/5.png", "valid/7/8.png", counts={"3": (1, 0, 0), "7": (1, 1, 0)}, split="given", notes=("the folders train and valid",))  # fmt: skip
    yield case("iNaturalist's observations", "id,image_url,scientific_name,common_name\n1,https://x.org/1.jpg,Felis catus,cat\n", error="addresses are not downloaded")  # fmt: skip
    for column in ("train", "Train", "val", "test"):
        chosen = {"train": ("1", "0"), "val": ("0", "1"), "test": ("0", "1")}[column.casefold()]
        wanted = {"cat": (1, 0, 1)} if column == "test" else {"cat": (1, 1, 0)}
        yield case(f"a column {column} of 0 and 1", f"path,label,{column}\ni/a.png,cat,{chosen[0]}\ni/b.png,cat,{chosen[1]}\n", counts=wanted)  # fmt: skip
    yield case("columns of 0 and 1 for the classes bus and train", "path,bus,train\ni/a.png,1,0\ni/b.png,0,1\n", counts={"bus": (1, 0, 0), "train": (1, 0, 0)})  # fmt: skip


def written_by() -> Iterator[Case]:
    def case(name: str, text: str | bytes, file: str = "t.csv", **expected: object) -> Case:
        expected = expected or {"counts": EACH}
        return Case(f"a table of {name}", table(file, text, *IMAGES), root=file, **expected)  # type: ignore[arg-type]

    yield case("two tables one after the other", "path,label\ni/a.png,cat\npath,label\ni/b.png,dog\n", counts=EACH, notes=("line 3 has the names of the columns once more",))  # fmt: skip
    yield case("Markdown", "| path | label |\n| --- | --- |\n| i/a.png | cat |\n| i/b.png | dog |\n")
    yield case("Markdown with sides", "| path | label |\n|:---|---:|\n| i/a.png | cat |\n| i/b.png | dog |\n")
    yield case("psql", "  path   | label \n---------+-------\n i/a.png | cat\n i/b.png | dog\n")
    yield case("R with single quotes", "'path','label'\n'i/a.png','cat'\n'i/b.png','dog'\n")
    yield case("a word processor", "path,label\n“i/a.png”,“cat”\n“i/b.png”,“dog”\n")
    yield case("DOS, with its sign of the end", f"path,label\n{BODY}\x1a")
    yield case("NumPy, with zero bytes behind labels", "path,label\ni/a.png,cat\0\0\ni/b.png,dog\0\n")
    yield case("two marks of byte order", f"\ufeff\ufeffpath,label\n{BODY}")
    yield case("labels with marks of zero width", "path,label\ni/a.png,cat\u200b\ni/b.png,\u200edog\n")
    yield case("captions with line separators", "path,caption,label\ni/a.png,one\u2028two,cat\ni/b.png,one\x85two,dog\n")  # fmt: skip
    yield case("JSON lines with line separators", '{"file_name": "i/a.png", "caption": "one\u2028two", "label": "cat"}\n{"file_name": "i/b.png", "caption": "\x85", "label": "dog"}\n', "t.jsonl")  # fmt: skip
    yield case("an index with tabs", "\tpath\tlabel\n0\ti/a.png\tcat\n1\ti/b.png\tdog\n", "t.tsv")
    yield case("paths on a NAS", "path,label\n\\\\NAS\\share\\i\\a.png,cat\n//NAS/share/i/b.png,dog\n")
    yield case("slashes of both kinds", "path,label\n.\\i/a.png,cat\ni\\\\b.png,dog\n")
    yield case("two separators", "path,label\ni/a.png,cat\ni/b.png;dog\n", error="line 3: no label, or several")  # fmt: skip
    yield case("paths alone", "i/a.png\ni/b.png\n", "train.txt", error="lists paths and no labels; add a column label")  # fmt: skip
    yield case("a column of paths alone", "path\ni/a.png\ni/b.png\n", error="lists paths and no labels; add a column label")  # fmt: skip
    yield case("a sum of a database", f"path,label\n{BODY}\n(2 rows affected)\n", counts=EACH, notes=("is taken for a footnote",))  # fmt: skip
    yield Case("a file with a line break in its name", table("t.csv", 'path,label\n"i/a\nb.png",cat\n', "i/a\nb.png"), root="t.csv", counts={"cat": (1, 0, 0)})  # fmt: skip
    yield Case("train.csv beside val.csv", both(table("train.csv", f"path,label\n{BODY}", *IMAGES), table("val.csv", "path,label\n")), root="train.csv",
               counts=EACH, notes=("only train.csv is read, and not val.csv",))  # fmt: skip
    for name in ("classes.txt", "label_map.json", "class_names.csv", "label_num_to_disease_map.json"):
        yield Case(f"numbers beside {name}", both(table("t.csv", "path,label\ni/a.png,0\ni/b.png,1\n", *IMAGES), table(name, '{"0": "cat", "1": "dog"}' if "json" in name else "cat\ndog\n")), root="t.csv",
                   counts=EACH, notes=(f"class names are those of {name}: 0 is cat, 1 is dog",))  # fmt: skip
    yield Case("folders of numbers beside classes.txt", both(many("0/{}.png", "1/{}.png"), table("classes.txt", "cat\ndog\n")), counts=TWO,
               notes=("class names are those of classes.txt",))  # fmt: skip
    yield Case("folders of numbers in splits beside names.txt", both(many("train/0/{}.png", "train/1/{}.png"), table("names.txt", "cat\ndog\n")), counts=TWO,
               notes=("class names are those of names.txt",))  # fmt: skip
    yield Case("CVAT's ImageNet", both(many(*CLASSES), files("synsets.txt")), counts=TWO, notes=("left out 1 file",))  # fmt: skip


def instruments() -> Iterator[Case]:
    for suffix in ("czi", "nd2", "oib", "lif", "dcm", "ndpi"):
        yield Case(f"scans in .{suffix} alone", files(f"cat/0.{suffix}", f"dog/1.{suffix}"), error=f"(2 .{suffix}); 2 .{suffix} files are scans; export them as PNG or TIFF")  # fmt: skip
    yield Case("scans beside images", both(many("treated/{}.tif", "control/{}.tif"), files("treated/a.nd2")), counts={"treated": ONE, "control": ONE}, notes=("1 .nd2 file is one of scans",))  # fmt: skip
    yield Case("arrays alone", files("cat/0.npy", "dog/1.npy"), error="2 .npy files are arrays; save each image as PNG")  # fmt: skip
    yield Case("Google Takeout in German", both(many("Takeout/Google Fotos/Katzen/{}.jpg", "Takeout/Google Fotos/Hunde/{}.jpg"), files("Takeout/Google Fotos/Katzen/Metadaten.json", "Takeout/archive_browser.html")),
               counts={"Katzen": ONE, "Hunde": ONE}, notes=("Takeout/Google Fotos is the only folder",))  # fmt: skip


def pieces() -> Iterator[Case]:
    for name in ("x.7z.001", "x.zip.002", "x.part1.rar", "x.tar.gz.aa", "x.z01", "x.tar.001"):
        yield Case(f"{name} as data.root", table(name, b"7z"), root=name, error="is a part of an archive; unpack that")  # fmt: skip
    yield Case("a folder with a part of an archive", files("x.part1.rar", "x.part2.rar"), error="x.part1.rar is a part of an archive: unpack that")  # fmt: skip
    for name in ("x.zip.crdownload", "x.tar.part"):
        yield Case(f"{name} as data.root", table(name, b"PK"), root=name, error="are unfinished downloads")
    for name in ("x.tzst", "x.zipx", "x.tar.Z", "x.cbz"):
        yield Case(
            f"{name} as data.root", table(name, b"x"), root=name, error="files are archives; unpack them"
        )
    for name, program in (("x.numbers", "Numbers"), ("x.gsheet", "Google Sheets")):
        yield Case(f"{name} as data.root", table(name, b"x"), root=name, error=f"a table of {program}; save it as CSV")  # fmt: skip
    yield Case("databases as data.root", table("x.lmdb", b"x"), root="x.lmdb", error="databases; save each image as PNG")  # fmt: skip
    yield Case("a zip file with a name too long for a disk", zipped("x.zip", f"cat/{'a' * 300}.png"), root="x.zip", error="x.zip: File name too long; unpack it yourself")  # fmt: skip
    yield Case("a zip file with a password of another kind", _strongly_encrypted, root="x.zip", error="is encrypted; unpack it yourself")  # fmt: skip
    yield Case("a zip file of the names that Windows keeps", zipped("x.zip", "con/aux.png", "con/nul.png", "dog/0.png"), root="x.zip", counts={"con": (1, 1, 0), "dog": (1, 0, 0)})  # fmt: skip
    yield Case("a link to a zip file", both(zipped("x.zip", "cat/0.png", "dog/0.png"), link("y", "x.zip")), root="y", counts=EACH)  # fmt: skip
    yield Case("a zip file with both forms of é", zipped("x.zip", "caf\u00e9/0.png", "cafe\u0301/1.png"), root="x.zip", counts={"caf\u00e9": HALF}, notes=("written in two Unicode forms",))  # fmt: skip
    yield Case("WebDataset's shard", tarred("s-000.tar", "0.png", "0.cls", "1.png"), root="s-000.tar", error="holds images but no class folders")  # fmt: skip


def _strongly_encrypted(folder: Path) -> None:
    """WinZip's AES: another method, 99, and the same sign."""
    zipped("x.zip", "cat/0.png")(folder)
    content = bytearray((folder / "x.zip").read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
        content[content.index(magic) + flags + 2] = 99
    (folder / "x.zip").write_bytes(content)


def spellings() -> Iterator[Case]:
    for one, other in (
        ("cat", "cat\u200b"),
        ("cat", "\ufeffcat"),
        ("cat", "ｃａｔ"),
        ("Straße", "STRASSE"),
        ("cat", "c\u00adat"),
    ):
        yield Case(f"classes {one!r} and {other!r} as exported", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), problems=("are one class in two spellings",))  # fmt: skip
    for name in (
        "aux",
        "COM1",
        "..cat.",
        "ä" * 127,
        "👨\u200d👩\u200d👧",
        "%s",
        "\\",
        "a\tb",
        "1e5",
        "--help",
        "*",
        "a:b",
    ):
        yield Case(f"a class named {name!r}"[:60], _beside_dog(name), counts={name: ONE, "dog": ONE} if name[0] != "." else {"dog": ONE})  # fmt: skip
    yield Case("splits of which one is spelled twice", many(*below("Train"), *below("train"), *below("val")), error="are both train; merge them, or keep one")  # fmt: skip
    yield Case("numbers that are padded in val", many("train/1/{}.png", "val/01/{}.png"), problems=("'01' is in val but not in train; is it '1'?",))  # fmt: skip
    yield Case("numbers in train, words in val", many("train/0/{}.png", "val/zero/{}.png"), problems=("'zero' is in val but not in train",))  # fmt: skip
    yield Case("groups of classes in splits", many("train/animals/cat/{}.png", "train/cars/bmw/{}.png", "val/animals/cat/{}.png", "val/cars/bmw/{}.png"), counts={"animals": (4, 4, 0), "cars": (4, 4, 0)},
               notes=("images in folders below a class count as that class: animals (cat), cars (bmw)",))  # fmt: skip
    yield Case("train beside its augmented copy", many(*below("train"), *below("train_aug"), *below("val")), error="train_aug lies beside train; move it into train, or elsewhere")  # fmt: skip
    yield Case("train beside its small copy", many(*below("train"), *below("train_224")), error="are both train; merge them, or keep one")  # fmt: skip


def _beside_dog(name: str) -> Make:
    return many(f"{name}/{{}}.png", "dog/{}.png")


def exports() -> Iterator[Case]:
    """All of them."""
    for kind in (labelling_tools, written_by, instruments, pieces, spellings):
        yield from kind()
