# ruff: noqa: E501 - a case a line reads better
"""Tables of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import CLASSES, GIVEN, TWO, Case, below, both, files, many, table


def tables() -> Iterator[Case]:
    images = tuple(f"i/{name}.png" for name in "abcd")
    good = {"cat": (1, 1, 0), "dog": (1, 1, 0)}
    for header in (
        "path,label", "image,species", "filename,class", "file_name,category", "Image Path,Class Name", "img,breed",
        "filepath,labels", "image_id,diagnosis", "FILE,TARGET", "image-name,variety", "photo,name", "name,class",
        "foto,art", "id,breed",
    ):  # fmt: skip
        for separator, said in ((",", "commas"), (";", "semicolons"), ("\t", "tabs")):
            if separator != "," and header not in ("image,species", "foto,art"):
                continue
            rows = "".join(
                f"{name},{label}\n" for name, label in zip(images, ("cat", "cat", "dog", "dog"), strict=True)
            )
            text = f"{header}\n{rows}".replace(",", separator)
            yield Case(
                f"a table of {header} with {said}", table("t.csv", text, *images), root="t.csv", counts=good
            )
    body = "i/a.png,cat\ni/b.png,cat\ni/c.png,dog\ni/d.png,dog\n"
    for name, text in {
        "a BOM": b"\xef\xbb\xbfpath,label\n" + body.encode(),
        "UTF-16": ("path,label\n" + body).encode("utf-16"),
        "Windows line ends": ("path,label\n" + body).replace("\n", "\r\n").encode(),
        "old Mac line ends": ("path,label\n" + body).replace("\n", "\r").encode(),
        "quotes": ('"path","label"\n' + body).encode(),
        "spaces": ("path , label\n" + body.replace(",", " , ")).encode(),
        "an index column": b",path,label\n" + b"".join(b"%d,%s\n" % (i, row) for i, row in enumerate(body.encode().split())),
        "sep=": b"sep=,\npath,label\n" + body.encode(),
        "no header": body.encode(),
        "the label first": b"cat,i/a.png\ncat,i/b.png\ndog,i/c.png\ndog,i/d.png\n",
        "backslashes": ("path,label\n" + body).replace("/", "\\").encode(),
        "no suffixes": ("path,label\n" + body).replace(".png", "").encode(),
        "more columns": b"w,h,path,label,author\n" + b"".join(b"1,2,%s,x\n" % row for row in body.encode().split()),
        "repeated lines": ("path,label\n" + body + body).encode(),
    }.items():  # fmt: skip
        yield Case(f"a table with {name}", table("t.csv", text, *images), root="t.csv", counts=good)
    yield Case(
        "a table in Latin-1", table("t.csv", "path,label\ni/a.png,Kater\ni/b.png,Käfer\n".encode("latin-1"), *images),
        root="t.csv", counts={"Kater": (1, 0, 0), "Käfer": (1, 0, 0)}, notes=("read as Windows-1252",),
    )  # fmt: skip
    yield Case(
        "a split column", table("t.csv", "path,label,split\ni/a.png,cat,Train\ni/b.png,cat,validation\ni/c.png,cat,test\n", *images),
        root="t.csv", counts={"cat": (1, 1, 1)}, split="given",
    )  # fmt: skip
    yield Case(
        "an is_valid column", table("t.csv", "name,label,is_valid\ni/a.png,cat,False\ni/b.png,cat,True\n", *images),
        root="t.csv", counts={"cat": (1, 1, 0)}, split="given",
    )  # fmt: skip
    yield Case(
        "a column of folds", table("t.csv", "path,label,fold\n" + body.replace("\n", ",3\n"), *images), root="t.csv",
        counts=good, notes=("column fold has numbers",),
    )  # fmt: skip
    yield Case(
        "unknown columns", table("t.csv", "colour,shape,size\nred,round,3\n", *images), root="t.csv",
        error="no path column among colour, shape, size; call one of them path (understood are path,",
    )  # fmt: skip
    yield Case(
        "no label among several columns", table("t.csv", "path,colour,shape\ni/a.png,red,round\n", *images),
        root="t.csv", error="no label column among path, colour, shape; call one of them label (understood are label,",
    )  # fmt: skip
    yield Case(
        "names without folders", table("t.csv", "path,label\n" + body.replace("i/", ""), *images), root="t.csv",
        counts=good, notes=("4 files were found by name",),
    )  # fmt: skip
    yield Case("missing files", table("t.csv", "path,label\nx.png,cat\ny.png,cat\n", *images), root="t.csv",
               error="files that do not exist")  # fmt: skip
    yield Case("two labels for one image", table("t.csv", "path,label\ni/a.png,cat\ni/a.png,dog\n", *images),
               root="t.csv", error="as 'cat', and 'dog' here")  # fmt: skip
    yield Case("an unknown split", table("t.csv", "path,label,split\ni/a.png,cat,somewhere\n", *images),
               root="t.csv", error="split is 'somewhere'")  # fmt: skip
    yield Case("an Excel file", table("t.xlsx", b"PK\x03\x04"), root="t.xlsx", error="save it as CSV")
    yield Case("a JSON file", table("t.json", "{}"), root="t.json", error="save it as CSV")
    yield Case("a table of nothing", table("t.csv", "\n\n"), root="t.csv", error="is empty")
    yield Case(
        "a broken quote", table("t.csv", 'path,label\n"i/a.png,cat\n', *images), root="t.csv", error="t.csv"
    )
    yield Case(
        "JSON lines", table("t.jsonl", "".join(json.dumps({"file_name": n, "label": "cat"}) + "\n" for n in images), *images),
        root="t.jsonl", counts={"cat": (3, 1, 0)},
    )  # fmt: skip
    yield Case("broken JSON lines", table("t.jsonl", "{nonsense\n"), root="t.jsonl", error="line 1: not JSON")
    for what, value in (
        ("brackets", "[" * 5000 + "]" * 5000),
        ("digits", "9" * 5000),
    ):
        yield Case(
            f"JSON lines with too many {what}",
            table("t.jsonl", f'{{"file_name": "a.png", "label": {value}}}\n', "a.png"),
            root="t.jsonl",
            # Python 3.13 reads as many brackets as these, and they are no label.
            error="line 1: no",
        )
    metadata = "file_name,label\na.png,cat\nb.png,dog\n"
    yield Case(
        "Hugging Face's metadata.csv", table("metadata.csv", metadata, "a.png", "b.png"),
        counts={"cat": (1, 0, 0), "dog": (1, 0, 0)},
    )  # fmt: skip
    yield Case(
        "Hugging Face's metadata.csv in splits",
        both(table("train/metadata.csv", metadata, "train/a.png", "train/b.png"),
             table("validation/metadata.csv", metadata, "validation/a.png", "validation/b.png")),
        counts={"cat": (1, 1, 0), "dog": (1, 1, 0)}, split="given",
    )  # fmt: skip
    yield Case(
        "Hugging Face's metadata.jsonl",
        table("metadata.jsonl", '{"file_name": "train/a.png", "label": 3}\n{"file_name": "train/b.png", "label": 4}\n',
              "train/a.png", "train/b.png"),
        counts={"3": (1, 0, 0), "4": (1, 0, 0)},
    )  # fmt: skip
    yield Case(
        "Hugging Face's captions beside class folders",
        both(many(*CLASSES), table("metadata.csv", "file_name,text,width\ncat/0.png,a cat,3\n")), counts=TWO,
    )  # fmt: skip
    yield Case(
        "Hugging Face's captions alone", table("metadata.csv", "file_name,text,width\na.png,a cat,3\n", "a.png"),
        error="no column of labels",
    )  # fmt: skip
    classes = "filename, cat, dog\na.png, 1, 0\nb.png, 0, 1\n"
    yield Case(
        "Roboflow's tables",
        both(table("train/_classes.csv", classes, "train/a.png", "train/b.png"),
             table("valid/_classes.csv", classes, "valid/a.png", "valid/b.png"),
             table("test/_classes.csv", classes, "test/a.png", "test/b.png"), files("README.roboflow.txt")),
        counts={"cat": (1, 1, 1), "dog": (1, 1, 1)}, split="given",
    )  # fmt: skip
    yield Case(
        "Roboflow's table with two classes at once",
        table("train/_classes.csv", "filename, cat, dog\na.png, 1, 1\n", "train/a.png"), error="cat, dog at once",
    )  # fmt: skip
    yield Case(
        "Roboflow's table with an image of nothing",
        table("train/_classes.csv", classes + "c.png, 0, 0\n", "train/a.png", "train/b.png", "train/c.png"),
        counts={"cat": (1, 0, 0), "dog": (1, 0, 0)}, notes=("1 line names an image and no class",),
    )  # fmt: skip
    yield Case(
        "Roboflow's class folders",
        both(many(*below("train"), *below("valid")), files("README.dataset.txt")),
        counts=GIVEN,
    )
    yield Case(
        "a table beside loose images", table("labels.csv", "path,label\na.png,cat\n", "a.png"),
        counts={"cat": (1, 0, 0)}, notes=("no class folders: the labels are those of labels.csv",),
    )  # fmt: skip
