"""What the page asks is answered, and what nobody may ask is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the studio's packages are not installed")
from starlette.testclient import TestClient

from visionlora.studio.app import PAGE, build_app
from visionlora.studio.config import StudioOptions
from visionlora.studio.jobs import Jobs


def a_png(number: int = 0, size: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (number * 9 % 256, 90, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(
    client: TestClient,
    project: str,
    files: list[tuple[str, bytes]],
    role: str = "class",
    label: str = "goldfish",
) -> Any:
    return client.post(
        f"/api/projects/{project}/images",
        data={"role": role, "label": label},
        files=[("files", (name, content)) for name, content in files],
    )


@pytest.fixture
def project(client: TestClient) -> str:
    return client.post("/api/projects", json={"name": "Fish"}).json()["id"]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_page_and_its_parts_are_served_with_a_policy(client: TestClient) -> None:
    answer = client.get("/")
    assert "VisionLoRA" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/page/app.js").status_code == 200
    assert client.get("/page/../compute.py").status_code == 404


def test_images_are_added_shown_and_removed(client: TestClient, project: str) -> None:
    answer = upload(client, project, [(f"{n}.png", a_png(n)) for n in range(3)]).json()
    assert answer == {"added": 3, "left_out": []}
    found = client.get(f"/api/projects/{project}").json()
    first = found["images"][0]["id"]
    shown = client.get(f"/api/projects/{project}/images/{first}")
    assert Image.open(io.BytesIO(shown.content)).format == "JPEG"
    left = client.post(f"/api/projects/{project}/remove", json={"images": [first]}).json()
    assert len(left["images"]) == 2


def test_an_image_that_cannot_be_read_is_in_the_project_and_has_no_picture(
    client: TestClient, project: str
) -> None:
    upload(client, project, [("a.png", b"no image")])
    image = client.get(f"/api/projects/{project}").json()["images"][0]["id"]
    assert client.get(f"/api/projects/{project}/images/{image}").status_code == 404


def test_a_zip_file_of_class_folders_gives_its_classes(client: TestClient, project: str) -> None:
    content = zipped(
        {f"all/{name}/{n}.png": a_png(n + 20 * len(name)) for name in ("cat", "tiger") for n in range(2)}
    )
    assert upload(client, project, [("all.zip", content)], label="").json()["added"] == 4
    assert client.get(f"/api/projects/{project}").json()["classes"] == ["cat", "tiger"]


def test_nothing_of_an_archive_stays_behind_an_upload(
    client: TestClient, project: str, tmp_path: Path
) -> None:
    upload(client, project, [("all.zip", zipped({"cat/1.png": a_png(1)}))], label="")
    kept = [path for path in tmp_path.rglob("*.png") if "projects" not in path.parts]
    assert kept == []
    assert not list((tmp_path / "studio").glob(".upload-*"))


def test_a_zip_file_without_folders_is_of_the_class_that_is_given(client: TestClient, project: str) -> None:
    content = zipped({"1.png": a_png(1), "2.png": a_png(2)})
    assert upload(client, project, [("flat.zip", content)]).json()["added"] == 2
    assert client.get(f"/api/projects/{project}").json()["classes"] == ["goldfish"]


def test_a_table_in_a_zip_file_says_the_classes(client: TestClient, project: str) -> None:
    table = b"path,label\n1.png,cat\n2.png,tiger\n"
    content = zipped({"1.png": a_png(1), "2.png": a_png(2), "metadata.csv": table})
    assert upload(client, project, [("all.zip", content)], label="").json()["added"] == 2
    assert client.get(f"/api/projects/{project}").json()["classes"] == ["cat", "tiger"]


def test_a_table_alone_is_left_out_with_what_to_do(client: TestClient, project: str) -> None:
    answer = upload(client, project, [("1.png", a_png(1)), ("labels.csv", b"path,label\n1.png,cat\n")]).json()
    assert answer["added"] == 1
    assert "put it and its images into one zip file" in dict(answer["left_out"])["labels.csv"]


@pytest.mark.parametrize(
    "table",
    [
        "path,label\n1.png,cat|dog\n2.png,cat\n3.png,dog\n",
        "path,label\n1.png,cat\n1.png,dog\n2.png,cat\n",
        "filename,cat,dog\n1.png,1,1\n2.png,1,0\n",
    ],
)
def test_several_labels_an_image_are_refused_with_the_command_that_trains_them(
    client: TestClient, project: str, table: str
) -> None:
    images = {f"{number}.png": a_png(number) for number in (1, 2, 3)}
    name = "_classes.csv" if table.startswith("filename") else "metadata.csv"
    content = zipped({**images, name: table.encode()})
    answer = upload(client, project, [("pets.zip", content)], label="")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("pets.zip: an image of it has several labels")
    assert "visionlora train task=multi_label" in answer.json()["error"]


def test_an_archive_that_contradicts_itself_is_refused_by_its_own_name(
    client: TestClient, project: str
) -> None:
    content = zipped({"cat/1.png": a_png(1), "dog/2.png": a_png(2), "3.png": a_png(3)})
    error = upload(client, project, [("pets.zip", content)], label="").json()["error"]
    assert error.startswith("pets.zip mixes layouts: 3.png lies beside")
    assert upload(client, project, [("pets.zip", content)], label="pet").json()["added"] == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("slip.zip", zipped({"../../out.png": a_png()}), "leads outside of it"),
        ("bomb.zip", zipped({"a.png": bytes(40 * 2**20)}), "unpacks to more than"),
        ("cut.zip", zipped({"a.png": a_png()})[:-30], "cannot unpack"),
        ("none.zip", zipped({"a.exe": b"x"}), "holds no images"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_refused_and_nothing_is_lost(
    client: TestClient, project: str, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    upload(client, project, [("a.png", a_png())])
    answer = upload(client, project, [(name, content)])
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert len(client.get(f"/api/projects/{project}").json()["images"]) == 1
    assert not list(tmp_path.rglob("out.png"))
    assert not list((tmp_path / "studio").glob(".upload-*"))


def test_more_than_may_be_uploaded_is_refused(client: TestClient, project: str) -> None:
    answer = upload(client, project, [("a.png", bytes(5 * 2**20))])
    assert answer.status_code == 413
    assert "at most 4 MB" in answer.text


def test_thousands_of_files_fill_the_project_and_the_rest_is_named(client: TestClient, project: str) -> None:
    answer = upload(
        client, project, [(f"{n}.png", a_png(n) + bytes([n % 256, n // 256])) for n in range(1500)]
    ).json()
    assert answer["added"] == 50
    assert len(answer["left_out"]) == 1450
    assert upload(client, project, [(f"{n}.png", b"") for n in range(2001)]).status_code == 400


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>.png", "../../x.png", "a\r\nb.png", "$x_{$.png"]
)
def test_file_names_are_text(client: TestClient, project: str, tmp_path: Path, name: str) -> None:
    upload(client, project, [(name, a_png())], label="<script>alert(1)</script>")
    found = client.get(f"/api/projects/{project}").json()
    assert found["classes"] == ["<script>alert(1)</script>"]
    assert not {"\r", "\n", "/"} & set(found["images"][0]["name"])
    (file,) = (tmp_path / "studio" / "projects" / project / "images").iterdir()
    assert file.suffix == ".png"
    assert len(file.stem) == 32


def test_the_check_names_images_by_their_ids(client: TestClient, project: str) -> None:
    upload(client, project, [("a.png", a_png(1)), ("broken.png", b"x"), ("b.png", a_png(2))])
    report = client.post(f"/api/projects/{project}/check", json={"network": "pocket"}).json()
    ids = {image["id"]: image["name"] for image in client.get(f"/api/projects/{project}").json()["images"]}
    (broken,) = [one for one in report["findings"] if one["kind"] == "unreadable"]
    assert ids[broken["groups"][0][0]["id"]] == "broken.png"
    assert report["classes"][0]["output"]["name"] == "goldfish"


def test_similar_images_of_two_classes_are_found_with_their_ids(client: TestClient, project: str) -> None:
    spots = Image.effect_noise((8, 8), 200).resize((320, 320), Image.Resampling.BICUBIC).convert("RGB")
    large, small = io.BytesIO(), io.BytesIO()
    spots.save(large, "PNG")
    spots.reduce(2).save(small, "JPEG", quality=70)
    upload(client, project, [("a.png", large.getvalue())])
    upload(client, project, [("b.jpg", small.getvalue())], label="carp")
    report = client.post(f"/api/projects/{project}/check", json={"network": "pocket"}).json()
    ids = {image["id"] for image in client.get(f"/api/projects/{project}").json()["images"]}
    assert any({one["id"] for one in group} == ids for one in report["findings"] for group in one["groups"])


def test_a_training_is_queued_with_what_was_chosen(client: TestClient, project: str, tmp_path: Path) -> None:
    upload(client, project, [(f"{n}.png", a_png(n)) for n in range(3)])
    asked = {"keep": "most", "long": "quick", "network": "pocket", "options": ["lora.rank=4"]}
    identity = client.post(f"/api/projects/{project}/train", json=asked).json()["id"]
    (job,) = client.get("/api/jobs").json()
    assert (job["id"], job["state"], job["name"]) == (identity, "queued", "goldfish")
    arguments = Jobs(tmp_path / "studio").get(identity).arguments
    assert {"model=pocket", "retention.budget=0.05", "trainer.max_steps=80", "lora.rank=4"} <= set(arguments)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"options": ["lora.rank=banana"]}, "lora.rank is 'banana'"),
        ({"options": ["lora.rnk=4"]}, "lora.rank"),
        ({"options": ["optimizer.lr=0,001"]}, "optimizer.lr=0,001 has several values"),
        ({"options": "lora.rank=4"}, "no list 'options'"),
        ({"keep": "everything!"}, "there is no choice"),
        ({"network": 5}, "no text 'network'"),
        ({"name": 3}, "no text 'name'"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_is_queued(
    client: TestClient, project: str, changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    upload(client, project, [("a.png", a_png())])
    asked = {"keep": "everything", "long": "quick", "network": "pocket", "options": [], **changed}
    answer = client.post(f"/api/projects/{project}/train", json=asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert client.get("/api/jobs").json() == []
    assert not list((tmp_path / "studio").glob("jobs/*")), "what it would have read"


@pytest.mark.parametrize("network", ["", "nope", "timm/resnet18"])
def test_a_network_that_is_not_offered_is_refused_in_a_sentence(
    client: TestClient, project: str, network: str
) -> None:
    upload(client, project, [("a.png", a_png())])
    checked = client.post(f"/api/projects/{project}/check", json={"network": network})
    named = network.replace("/", "%2f") or "%20"
    for answer in (checked, client.get(f"/api/networks/{named}/outputs")):
        assert answer.status_code in (400, 404)
    assert "the studio has no network" in checked.json()["error"]


def test_every_setting_of_a_training_is_offered_with_its_help(client: TestClient) -> None:
    keys = {key["name"]: key for group in client.get("/api/settings").json() for key in group["keys"]}
    assert keys["lora.rank"]["help"]
    assert "data.root" not in keys, "the studio sets it itself"


@pytest.mark.parametrize(
    "path", ["/api/projects/none", "/api/jobs/none", "/api/adapters/none/download", "/api/jobs/%2e%2e"]
)
def test_what_is_not_there_is_said_in_a_sentence(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)


def test_an_upload_that_does_not_say_how_long_it_is_is_counted(client: TestClient, project: str) -> None:
    head = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    answer = client.post(
        f"/api/projects/{project}/images",
        content=(chunk for chunk in [head, *[bytes(2**20)] * 5]),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert "at most 4 MB" in answer.json()["error"]
    assert client.get(f"/api/projects/{project}").json()["images"] == []


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"null", b"[" * 100_000])
def test_a_request_that_is_no_json_object_is_refused(
    client: TestClient, project: str, content: bytes
) -> None:
    for method, path in (("POST", "train"), ("POST", "remove"), ("POST", "check"), ("PATCH", "")):
        answer = client.request(method, f"/api/projects/{project}/{path}".rstrip("/"), content=content)
        assert answer.json()["error"] == "the request is not a JSON object"


def test_what_the_disk_refuses_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("visionlora.studio.projects.write_json", full)
    answer = client.post("/api/projects", json={"name": "x"})
    assert answer.status_code == 507
    assert "No space left on device" in answer.json()["error"]


def test_a_small_picture_is_asked_for_once_and_everything_else_each_time(
    client: TestClient, project: str
) -> None:
    upload(client, project, [("a.png", a_png())])
    image = client.get(f"/api/projects/{project}").json()["images"][0]["id"]
    shown = client.get(f"/api/projects/{project}/images/{image}")
    assert shown.headers.get_list("cache-control") == ["private, max-age=86400, immutable"]
    assert client.get("/api/projects").headers.get_list("cache-control") == ["no-store"]


def test_what_file_managers_leave_is_left_out_and_makes_no_class(client: TestClient, project: str) -> None:
    files = [(f"cat/{name}", a_png(3)) for name in ("._a.png", "@eaDir/a.png", "Thumbs.db")]
    answer = upload(client, project, files, label="@eaDir").json()
    assert answer["added"] == 0
    assert {reason for _, reason in answer["left_out"]} == {"left there by a file manager or another program"}
    assert client.get(f"/api/projects/{project}").json()["classes"] == []


def test_an_image_to_try_is_no_path(client: TestClient) -> None:
    identity = client.post("/api/tried", files={"file": ("../x.png", a_png())}).json()["id"]
    assert "/" not in identity
    assert client.get(f"/api/adapters/none/logits/{identity}").json()["error"]


def test_another_name_for_this_machine_is_refused(client: TestClient) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 403


def test_another_page_may_change_nothing(client: TestClient) -> None:
    answer = client.post("/api/projects", json={"name": "x"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert client.get("/api/projects").json() == []


def test_beyond_this_machine_the_token_is_needed(tmp_path: Path) -> None:
    app = build_app(tmp_path, "secret", StudioOptions())
    client = TestClient(app, base_url="http://studio.example", follow_redirects=False)
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/?token=secret").status_code == 303
    assert client.get("/").status_code == 200


def test_both_languages_have_every_text_that_the_page_uses() -> None:
    import json
    import re

    english, chinese = (
        json.loads((PAGE / "texts" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")
    )
    assert {key for key in english if not key.endswith(".one")} == set(chinese)
    used = {
        key
        for file in (*PAGE.glob("*.js"), PAGE / "index.html")
        for key in re.findall(
            r'(?:\bt\(|counted\(|data-text=|data-label=)"([\w.]+)"', file.read_text("utf-8")
        )
    }
    assert used <= set(english)
    for key, text in english.items():
        if key in chinese:
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
