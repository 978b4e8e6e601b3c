# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""What labelling tools, clouds and museums export, and tables that spreadsheets have changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tests.data.corpus.case import (
    EACH,
    EIGHT,
    HALF,
    LABELS,
    TWO,
    Case,
    both,
    called,
    files,
    many,
    rows,
    table,
    tables,
)

case = tables("exported")


def lines(line: Callable[[int], object]) -> str:
    """JSON lines of eight objects."""
    return "".join(f"{json.dumps(line(number))}\n" for number in range(8))


def exported() -> Iterator[Case]:
    """Every case."""
    yield from _manifests()
    yield from _like_coco()
    yield from _tools()
    yield from _codes()
    yield from _unnamed_columns()
    yield from _spreadsheets()
    yield from _pages()
    yield from _columns()
    yield from _marks()


def _manifests() -> Iterator[Case]:
    """Of SageMaker and Rekognition: what is known of an attribute is in an object beside it."""

    def about(name: str) -> dict[str, object]:
        return {
            "class-name": name,
            "confidence": 1,
            "job-name": "x",
            "type": "groundtruth/image-classification",
        }

    def source(number: int) -> dict[str, object]:
        return {"source-ref": f"s3://bucket/images/{number}.png"}

    def of_rekognition(number: int) -> object:
        key = f"pets_{LABELS[number]}"
        return {**source(number), key: 1, f"{key}-metadata": about(LABELS[number])}

    def one_attribute(number: int) -> object:
        return {**source(number), "pets": number % 2, "pets-metadata": about(LABELS[number])}

    def of_boxes(number: int) -> object:
        boxes = {"image_size": [], "annotations": [{"class_id": number % 2, "left": 0}] * 2}
        return {**source(number), "box": boxes, "box-metadata": {"class-map": {"0": "cat", "1": "dog"}}}

    def of_several(number: int) -> object:
        names = {"class-map": {"0": "cat", "1": "dog"}}
        return {**source(number), "pets": [0, 1] if number == 3 else [number % 2], "pets-metadata": names}

    def of_number(number: int) -> object:
        names = {"class-map": {"0": "cat", "1": "dog"}}
        return {**source(number), "pets": number % 2, "pets-metadata": names}

    def without(number: int) -> object:
        return {**source(number), "label": LABELS[number], "label-metadata": {"creation-date": "2020-01-01"}}

    for name, line in (("Rekognition's manifest, an attribute for each class", of_rekognition), ("SageMaker's manifest of one attribute", one_attribute), ("SageMaker's manifest of boxes", of_boxes), ("SageMaker's manifest of numbers and their names", of_number), ("a manifest that says no names of classes", without)):  # fmt: skip
        yield case(name, lines(line), *EIGHT, file="output.manifest", counts=TWO)
    other = lines(lambda n: {"file_name": f"{n}.png", "label": LABELS[n], "lens": 1, "lens-metadata": {"class-name": "x"}})  # fmt: skip
    yield case("JSON lines with metadata of something else", other, *EIGHT, file="t.jsonl", counts=TWO)
    yield case("SageMaker's manifest of several labels", lines(of_several), *EIGHT, file="output.manifest", error="several labels of an image, the first: cat, dog")  # fmt: skip
    yield Case("SageMaker's manifest of several labels, learned", table("t.jsonl", lines(of_several), *EIGHT), root="t.jsonl", options={"separator": "auto"}, notes=("8 images have",))  # fmt: skip


def _like_coco() -> Iterator[Case]:
    """Files of competitions that are COCO's but for the names of their keys."""
    herbarium = {
        "images": [{"image_id": str(n), "file_name": f"{n}.png"} for n in range(8)],
        "annotations": [{"image_id": str(n), "category_id": n % 2} for n in range(8)],
        "categories": [{"category_id": n, "scientificName": name} for n, name in enumerate(("cat", "dog"))],
    }
    yield Case("Herbarium's train_metadata.json", table("train_metadata.json", json.dumps(herbarium), *EIGHT), counts=TWO, notes=("no class folders: the labels are those of",))  # fmt: skip
    yield case("Herbarium's as data.root", json.dumps(herbarium), *EIGHT, file="t.json", counts=TWO)
    materials = {
        "images": [{"url": "http://x/1.jpg", "imageId": str(n)} for n in range(8)],
        "annotations": [{"imageId": str(n), "labelId": [str(n % 2)]} for n in range(8)],
    }
    numbers = {"0": TWO["cat"], "1": TWO["dog"]}
    yield case(
        "iMaterialist's numbers of labels", json.dumps(materials), *EIGHT, file="t.json", counts=numbers
    )
    materials["annotations"][0]["labelId"] = ["0", "1"]
    yield case("iMaterialist's several numbers", json.dumps(materials), *EIGHT, file="t.json", error="several labels of an image, the first: 0, 1")  # fmt: skip


def _tools() -> Iterator[Case]:
    via = {
        "attribute": {"1": {"aname": "class", "type": 2, "options": {"0": "cat", "1": "dog"}}, "2": {"aname": "note", "type": 1, "options": {}}},
        "file": {str(n): {"fid": n, "fname": f"{n}.png", "src": f"images/{n}.png"} for n in range(8)},
        "metadata": {f"{n}_x": {"vid": str(n), "xy": [], "av": {"1": str(n % 2), "2": "seen"}} for n in range(8)},
        "view": {str(n): {"fid_list": [str(n)]} for n in range(8)},
    }  # fmt: skip
    yield case("a project of VIA 3", json.dumps(via), *EIGHT, file="t.json", counts=TWO, notes=("read as a file of VIA's",))  # fmt: skip
    boxes = {"xy": [2, 1, 1, 3, 3]}
    marked = {**via, "metadata": {key: {**one, **boxes} for key, one in via["metadata"].items()}}
    yield case("boxes of VIA 3", json.dumps(marked), *EIGHT, file="t.json", counts=TWO, notes=("the class of its boxes",))  # fmt: skip
    labelbox = lines(lambda n: {"data_row": {"external_id": f"{n}.png", "row_data": "https://x"}, "projects": {"a1": {"labels": [{"annotations": {"objects": [], "classifications": [{"name": "kind", "radio_answer": {"name": LABELS[n]}}]}}]}}})  # fmt: skip
    yield case("Labelbox's export of today", labelbox, *EIGHT, file="t.ndjson", counts=TWO)
    kili = [{"externalId": f"{n}.png", "labels": [{"jsonResponse": {"JOB_0": {"categories": [{"name": LABELS[n], "confidence": 100}]}}}]} for n in range(8)]  # fmt: skip
    yield case("Kili's export", json.dumps(kili), *EIGHT, file="t.json", counts=TWO)
    yield case("Doccano's export", lines(lambda n: {"id": n, "filename": f"{n}.png", "label": [LABELS[n]]}), *EIGHT, file="t.jsonl", counts=TWO)  # fmt: skip
    yield case("Dataturks' export", lines(lambda n: {"content": f"http://x/{n}.png", "annotation": {"labels": [LABELS[n]]}, "extras": None}), *EIGHT, file="t.json", counts=TWO)  # fmt: skip
    udt = {"interface": {"type": "image_classification"}, "samples": [{"imageUrl": f"file://images/{n}.png", "annotation": LABELS[n]} for n in range(8)]}  # fmt: skip
    yield case("Universal Data Tool's export", json.dumps(udt), *EIGHT, file="t.json", counts=TWO)
    bdd = [{"name": f"{n}.png", "attributes": {"weather": "clear"}, "labels": [{"category": LABELS[n], "box2d": {"x1": 1}}]} for n in range(8)]  # fmt: skip
    yield case("Scalabel's boxes", json.dumps(bdd), *EIGHT, file="t.json", counts=TWO)
    vertex = lines(lambda n: {"imageGcsUri": f"gs://b/images/{n}.png", "boundingBoxAnnotations": [{"displayName": LABELS[n], "xMin": "0.1"}], "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "test" if n > 5 else "training"}})  # fmt: skip
    yield case(
        "Vertex AI's boxes", vertex, *EIGHT, file="t.jsonl", counts={"cat": (2, 1, 1), "dog": (2, 1, 1)}
    )
    automl = rows("", "TRAIN,gs://b/images/{0}.png,{1},0.1,0.1,,,0.5,0.5,,")
    yield case("AutoML's boxes", automl, *EIGHT, counts=TWO)
    gbif = rows("gbifID\tbasisOfRecord\tspecies", "40{0}\tPRESERVED_SPECIMEN\t{1}")
    yield Case("GBIF's occurrences of images called by their number", table("occurrence.txt", gbif, *(f"images/40{n}.jpg" for n in range(8))), counts=TWO)  # fmt: skip
    wildlife = rows("project_id,image_id,filename,is_blank,class,order,family,species,common_name", "1,x,{0}.png,0,Mammalia,Carnivora,Felidae,catus,{1}")  # fmt: skip
    yield Case("Wildlife Insights' images and deployments", both(table("images.csv", wildlife, *EIGHT), table("deployments.csv", "project_id,deployment_id\n1,2\n")), counts=TWO)  # fmt: skip
    serengeti = both(table("all_images.csv", rows("CaptureEventID,URL_Info", "E{0},images/{0}.png"), *EIGHT), table("consensus_data.csv", rows("CaptureEventID,Species", "E{0},{1}")))  # fmt: skip
    yield Case("Snapshot Serengeti's images and consensus", serengeti, error="join the two")


def _codes() -> Iterator[Case]:
    """Open Images' codes of classes."""
    codes = {"cat": "/m/01yrx", "dog": "/m/0bt9lr"}
    labels = "ImageID,Source,LabelName,Confidence\n" + "".join(
        f"{n},x,{codes[LABELS[n]]},1\n" for n in range(8)
    )
    names = table("class-descriptions.csv", "/m/01yrx,cat\n/m/0bt9lr,dog\n/m/0k4j,Car\n")
    yield Case("Open Images' labels and their names", both(table("t.csv", labels, *EIGHT), names), root="t.csv", counts=TWO, notes=("class names are those of class-descriptions.csv: /m/01yrx is cat",))  # fmt: skip
    other = table("class-descriptions.csv", "/m/01yrx,cat\n/m/0k4j,Car\n")
    plain = {codes[name]: count for name, count in TWO.items()}
    yield Case("Open Images' labels of which a name is missing", both(table("t.csv", labels, *EIGHT), other), root="t.csv", counts=plain)  # fmt: skip
    yield Case(
        "Open Images' labels without names", table("t.csv", labels, *EIGHT), root="t.csv", counts=plain
    )


def _unnamed_columns() -> Iterator[Case]:
    """Tables without names of columns that have more than a path and a label."""
    numbers = "columns of numbers and no names of columns (boxes?)"
    yield case(
        "GTSDB's boxes", rows("", "images/{0}.png;774;411;815;446;1"), *EIGHT, file="gt.txt", error=numbers
    )
    yield case(
        "a number of a class and its box",
        rows("", "images/{0}.png,1,0.5,0.5,0.25,0.25"),
        *EIGHT,
        error=numbers,
    )
    yield case("a box alone", rows("", "images/{0}.png,12,15,80,90"), *EIGHT, error=numbers)
    yield Case("boxes of one class that is given", table("t.csv", rows("", "images/{0}.png,12,15,80,90,1"), *EIGHT), root="t.csv", options={"class_name": "cat"}, notes=("columns without names",))  # fmt: skip
    yield case("RetinaNet's boxes", rows("", "images/{0}.png,1,2,3,4,{1}"), *EIGHT, counts=TWO)
    yield case("RetinaNet's boxes, one of nothing", rows("", "images/{0}.png,1,2,3,4,{1}").replace("7.png,1,2,3,4,dog", "7.png,,,,,"), *EIGHT, counts={"cat": (3, 1, 0), "dog": (2, 1, 0)}, notes=("1 line names an image and no class",))  # fmt: skip
    each = "a line names several images; write a line for each"
    yield case("a line for each class", "cat,i/a.png,i/b.png\ndog,i/c.png,i/d.png\n", *(f"i/{name}.png" for name in "abcd"), error=each)  # fmt: skip
    masks = rows("", "images/{0}.png,masks/{0}.png,{1}")
    yield case(
        "a mask between image and label", masks, *EIGHT, *(f"masks/{n}.png" for n in range(8)), counts=TWO
    )
    yield case("a line for each class, of many images", "cat;i/a.png;i/b.png;i/c.png\ndog;i/d.png;i/e.png;i/f.png\n", *(f"i/{name}.png" for name in "abcdef"), error=each)  # fmt: skip


def _spreadsheets() -> Iterator[Case]:
    """What spreadsheets make of names and cells."""
    merged = "merged cells of a spreadsheet?"
    body = "cat,images/0.png\n,images/2.png\n,images/4.png\ndog,images/1.png\n,images/3.png\n,images/5.png\n"
    yield case("a label in the first line of each group", f"label,file\n{body}", *EIGHT, notes=(merged,))
    yield case("a label in the first line of each group, behind", "file,label\nimages/0.png,cat\nimages/1.png,\nimages/2.png,dog\nimages/3.png,\n", *EIGHT, notes=(merged,))  # fmt: skip
    yield case("labels that most lines lack", "file,label\nimages/0.png,cat\nimages/1.png,cat\nimages/2.png,dog\n" + "".join(f"images/{n}.png,\n" for n in range(3, 8)), *EIGHT, counts={"cat": HALF, "dog": (1, 0, 0)}, notes=("5 lines name an image and no class: left out",))  # fmt: skip
    yield case("names that were rounded", rows("id,label", "1.23457E+1{0},{1}"), *(f"i/1234567890{n}.png" for n in range(8)), error="a spreadsheet has rounded such numbers")  # fmt: skip
    yield case("names that were rounded, with decimal commas", rows("id;label", "1,23457E+1{0};{1}"), *(f"i/1234567890{n}.png" for n in range(8)), error="a spreadsheet has rounded such numbers")  # fmt: skip
    yield case("spaces as in addresses", rows("file,label", "my%20cat%20{0}.png,{1}"), *(f"i/my cat {n}.png" for n in range(8)), counts=TWO)  # fmt: skip
    yield case("letters as in addresses", rows("file,label", "K%C3%A4fer{0}.png,{1}"), *(f"i/Käfer{n}.png" for n in range(8)), counts=TWO)  # fmt: skip
    yield case("a percent sign that is one", rows("file,label", "100%20{0}.png,{1}"), *(f"i/100%20{n}.png" for n in range(8)), counts=TWO)  # fmt: skip
    for name in ("labels.rds", "labels.accdb", "labels.sav", "images.xlsm"):
        yield Case(f"{name} beside images", both(files(*EIGHT), called(b"x", name)), error=f"{name} may list their labels")  # fmt: skip
    list_beside = both(many("aligned/a_{}.jpg"), table("EmoLabel/list.txt", "".join(f"a_{n}.jpg {n % 2}\n" for n in range(4))))  # fmt: skip
    yield Case("a table in a folder of its own beside images", list_beside, problems=("if list.txt in it lists images and labels, give that: data.root=",))  # fmt: skip
    yield Case("a folder of texts beside a class", both(many("cat/{}.jpg"), called(b"see the wiki\n", "notes/read.md")), problems=("put some in, or remove it",))  # fmt: skip


def _pages() -> Iterator[Case]:
    """Words in the code page of central Europe, and those of western Europe that are not."""
    for one, other in (("kočka", "pes"), ("řeka", "kůň"), ("město", "les"), ("liška", "ježek obecný čáp"), ("Čmelák", "Včela"), ("rajčica", "leptir"), ("kuća", "voće"), ("mačka", "kôň"), ("gyümölcs", "erdő")):  # fmt: skip
        yield case(f"a table of {one} and {other} in Windows-1250", f"path,label\ni/a.png,{one}\ni/b.png,{other}\n".encode("cp1250"), counts={one: (1, 0, 0), other: (1, 0, 0)}, notes=("read as Windows-1250",))  # fmt: skip
    western = ("crème brûlée", "panthère", "lumière", "poème", "lunedì", "città", "caffè", "bambù", "ørn", "blåbær", "træ", "øje", "fjäll", "näätä", "corações", "maçã", "ñandú", "köttur", "zèbre", "bibliothèque", "maïs", "gòtic", "idéløs", "smørrebrød", "Genève", "août", "põder", "aloès", "fougère", "papà", "ragù", "martedì", "kjøtt", "hærfugl", "øer")  # fmt: skip
    several = ("boulangère", "aloès", "étagère", "bruyère", "Moïse", "poêle", "sphère")
    listed = "path,label\n" + "".join(f"i/{n}.png,{word}\n" for n, word in enumerate(several))
    yield case("a table of French words in Windows-1252", listed.encode("cp1252"), *(f"i/{n}.png" for n in range(7)), counts=dict.fromkeys(sorted(several), (1, 0, 0)))  # fmt: skip
    for word in western:
        yield case(f"a table of {word} in Windows-1252", f"path,label\ni/a.png,{word}\ni/b.png,x\n".encode("cp1252"), counts={word: EACH["cat"], "x": EACH["dog"]}, notes=("read as Windows-1252",))  # fmt: skip


def _columns() -> Iterator[Case]:
    """Names of columns of labels that nobody had written down yet."""
    heads = (("gambar", "kelas"), ("ảnh", "nhãn"), ("obrázek", "třída"), ("kép", "osztály"), ("εικόνα", "κλάση"), ("kuva", "luokka"), ("Foto", "Sorte"), ("ภาพ", "ป้าย"), ("छवि", "वर्ग"), ("slika", "razred"), ("תמונה", "תווית"), ("画像", "分類"), ("사진", "종류"), ("image", "finding"), ("image", "defect"), ("image", "emotion"), ("image", "verdict"), ("image", "y_true"))  # fmt: skip
    for path, label in heads:
        yield case(f"columns {path} and {label}", rows(f"{path},{label},date", "{0}.png,{1},2020-01-0{0}"), *EIGHT, counts=TWO)  # fmt: skip
    yield case("a column that may be of photographers", rows("image,by,date", "{0}.png,{1},2020-01-0{0}"), *EIGHT, error="call the one with the classes label (by repeats its values")  # fmt: skip


def _marks() -> Iterator[Case]:
    """Quotation marks, commas and lists that tables have by accident or by another custom."""
    torn = "a quotation mark is not closed before line"
    yield case("inches before labels", rows("file,label", '{0}.png,"{1} 5 inch'), *EIGHT, error=torn)
    yield case("inches before some labels", rows("file,label", "{0}.png,{1}").replace("2.png,", '2.png,"').replace("5.png,", '5.png,"'), *EIGHT, error=torn)  # fmt: skip
    yield case("inches behind labels", rows("file,label", '{0}.png,{1} 5"'), *EIGHT, counts={'cat 5"': TWO["cat"], 'dog 5"': TWO["dog"]})  # fmt: skip
    yield case("captions of several lines", rows("file,label,text", '{0}.png,{1},"seen at dawn,\nnear the lake, twice"'), *EIGHT, counts=TWO)  # fmt: skip
    yield case("JSON lines with commas", "".join(f"{json.dumps({'path': f'{n}.png', 'label': LABELS[n]})},\n" for n in range(8)), *EIGHT, file="t.jsonl", counts=TWO)  # fmt: skip
    plain = {"images": [{"id": n, "file_name": f"{n}.png", "label": LABELS[n]} for n in range(8)], "annotations": []}  # fmt: skip
    yield case(
        "JSON of labelled images and an empty list", json.dumps(plain), *EIGHT, file="t.json", counts=TWO
    )
    some = lines(lambda n: {"file_names": [f"{2 * n}.png", f"{2 * n + 1}.png"], "label": LABELS[n]})
    images = tuple(f"train/{n}.png" for n in range(16))
    yield Case("Hugging Face's lists of files", table("train/metadata.jsonl", some, *images), counts={"cat": (6, 2, 0), "dog": (6, 2, 0)}, notes=("8 rows name several images",))  # fmt: skip
