"""What the page asks about projects and their images."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from visionlora.data.images.decode import BadImage, open_image
from visionlora.errors import VisionLoraError
from visionlora.studio.engine import Engine
from visionlora.studio.prepare import training_files
from visionlora.studio.projects import Projects

Handler = Callable[[Request], Awaitable[Response]]
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_FILES = 2000
"""Files in one request; the page sends fewer."""
_SIDE = 240
KEPT = {"cache-control": "private, max-age=86400, immutable"}
"""Of a thumbnail: the browser asks for it once."""
_UNPACKED = 4
"""An archive may unpack to so many times what may be uploaded."""


class ImagePages:
    """Handlers of projects and images.

    Args:
        projects: all of them.
        engine: unpacks and checks.
        folder: of the studio, for uploads on their way.
        upload_bytes: of one request.
    """

    def __init__(self, projects: Projects, engine: Engine, folder: Path, upload_bytes: int) -> None:
        self._projects = projects
        self._engine = engine
        self._folder = folder
        self._upload_bytes = upload_bytes

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each."""
        one = "/api/projects/{project}"
        return [
            ("GET", "/api/projects", self.listed),
            ("POST", "/api/projects", self.create),
            ("GET", one, self.show),
            ("PATCH", one, self.change),
            ("DELETE", one, self.delete),
            ("POST", f"{one}/images", self.upload),
            ("POST", f"{one}/remove", self.remove),
            ("POST", f"{one}/check", self.check),
            ("GET", f"{one}/images/{{image}}", self.thumbnail),
        ]

    async def listed(self, request: Request) -> Response:
        """Every project, without its images."""
        found = await run_in_threadpool(self._projects.all)
        return JSONResponse(
            [
                {"id": one.id, "name": one.name, "created": one.created, "count": len(one.images)}
                for one in found
            ]
        )

    async def create(self, request: Request) -> Response:
        """A new project."""
        project = await run_in_threadpool(self._projects.create, text(await fields(request), "name", ""))
        return JSONResponse(project.as_json())

    async def show(self, request: Request) -> Response:
        """A project with its images."""
        project = await run_in_threadpool(self._projects.get, request.path_params["project"])
        return JSONResponse(project.as_json())

    async def change(self, request: Request) -> Response:
        """Rename the project, add a class, or rename one (to "": remove it)."""
        asked, project = await fields(request), request.path_params["project"]
        if "name" in asked:
            found = await run_in_threadpool(self._projects.rename, project, text(asked, "name"))
        elif "class" in asked:
            old, new = text(asked, "class"), text(asked, "to")
            found = await run_in_threadpool(self._projects.rename_class, project, old, new)
        else:
            found = await run_in_threadpool(self._projects.add_class, project, text(asked, "add"))
        return JSONResponse(found.as_json())

    async def delete(self, request: Request) -> Response:
        """Put the project into the bin."""
        project, bin_folder = request.path_params["project"], self._folder / "bin"
        await run_in_threadpool(self._projects.delete, project, bin_folder)
        return JSONResponse({})

    async def upload(self, request: Request) -> Response:
        """Take images, or archives of images, into the project.

        Form fields: ``files``; ``role``; ``label``, "" for the class that an archive's folders name.
        """
        project = request.path_params["project"]
        await run_in_threadpool(self._projects.get, project)
        try:
            form = await request.form(max_files=_FILES, max_fields=16)
        except MultiPartException as error:
            raise VisionLoraError(f"the upload cannot be read: {error.message}") from error
        role, label = str(form.get("role", "class")), str(form.get("label", ""))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix=".upload-", dir=self._folder, ignore_cleanup_errors=True
            ) as place:
                batches = await self._received(form.getlist("files"), Path(place), role, label)
                added, left_out = 0, list[tuple[str, str]]()
                for one, files in batches.items():
                    result = await run_in_threadpool(self._projects.add, project, files, role, one)
                    added, left_out = added + result["added"], left_out + result["left_out"]
            return JSONResponse({"added": added, "left_out": left_out})
        finally:
            await form.close()

    async def _received(
        self, parts: Any, place: Path, role: str, label: str
    ) -> Mapping[str, list[tuple[Path, str]]]:
        """Class -> the files of it, on disk, with what they were called."""
        found: dict[str, list[tuple[Path, str]]] = {}
        copies = count()
        for number, part in enumerate(parts):
            if not isinstance(part, UploadFile):
                continue
            name = part.filename or "image"
            path = place / str(number)
            with path.open("wb") as file:
                await run_in_threadpool(shutil.copyfileobj, part.file, file, 1 << 20)
            if not name.lower().endswith(_ARCHIVES):
                found.setdefault(label, []).append((path, name))
                continue
            path = path.rename(place / f"{number}-{_archive_suffix(name)}")
            most = self._upload_bytes * _UNPACKED
            by_folder = role == "class" and not label
            inside = await self._engine.call("images_of_archive", str(path), most, name, by_folder)
            for unpacked, original, named in inside:
                copy = place / f"unpacked-{next(copies)}"
                await run_in_threadpool(shutil.copyfile, unpacked, copy)
                found.setdefault(label or named if role == "class" else "", []).append((copy, original))
        return found

    async def remove(self, request: Request) -> Response:
        """Take images out."""
        images, project = listed(await fields(request), "images", str), request.path_params["project"]
        found = await run_in_threadpool(self._projects.remove, project, images)
        return JSONResponse(found.as_json())

    async def check(self, request: Request) -> Response:
        """What is known about the images before training; findings name images by their ids."""
        project, asked = request.path_params["project"], await fields(request)
        found = await run_in_threadpool(self._projects.get, project)
        folder = self._projects.folder(project)
        given = await run_in_threadpool(training_files, found, folder / "images", folder / "check")
        options = dict(word.split("=", 1) for word in given)
        others = {
            "anchors": options.get("retention.anchors"), "negatives": options.get("contrast.anchors"),
            "retention": options.get("retention.root"), "contrast": options.get("contrast.root"),
        }  # fmt: skip
        report = await self._engine.call(
            "check", options["data.root"], text(asked, "network", "pocket"),
            {role: [path] for role, path in others.items() if path},
        )  # fmt: skip
        ids = {(image.file, image.label): image.id for image in found.images}
        for finding in report["findings"]:
            for group in finding["groups"]:
                for image in group:
                    image["id"] = ids.get((image["file"], image["label"] or ""))
        return JSONResponse(report)

    async def thumbnail(self, request: Request) -> Response:
        """A thumbnail of an image; 404 where it cannot be read."""
        params = request.path_params
        path = await run_in_threadpool(self._projects.image, params["project"], params["image"])
        content = await run_in_threadpool(thumbnail, path)
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="image/jpeg", headers=KEPT)


def thumbnail(path: Path) -> bytes | None:
    """A JPEG of at most 240 pixels; None where the image cannot be read."""
    try:
        image = open_image(path, shorter_side=_SIDE)
    except BadImage:
        return None
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


async def fields(request: Request) -> dict[str, Any]:
    """What the page has sent as JSON.

    Raises:
        VisionLoraError: it is not a JSON object.
    """
    try:
        values = await request.json()
    except (ValueError, RecursionError):  # RecursionError: it is nested too deeply
        values = None
    if not isinstance(values, dict):
        raise VisionLoraError("the request is not a JSON object")
    return values


def text(values: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A text that the page has sent.

    Raises:
        VisionLoraError: it is missing, or no text.
    """
    value = values.get(key, default)
    if not isinstance(value, str):
        raise VisionLoraError(f"the request has no text {key!r}")
    return value


def listed(values: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> list[Any]:
    """A list that the page has sent.

    Raises:
        VisionLoraError: it is missing, or holds something else.
    """
    found = values.get(key)
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise VisionLoraError(f"the request has no list {key!r}")
    return found


def _archive_suffix(name: str) -> str:
    return "archive" + next(
        suffix for suffix in sorted(_ARCHIVES, key=len, reverse=True) if name.lower().endswith(suffix)
    )
