"""What the page asks about adapters: try them, and take them along."""

from __future__ import annotations

import io
import math
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from visionlora.errors import VisionLoraError
from visionlora.files import read_json
from visionlora.studio.engine import Engine
from visionlora.studio.figures import figures
from visionlora.studio.images import Handler, fields, listed, text
from visionlora.studio.jobs import Job, Jobs, new_id

LARGEST_STRENGTH = 2.0
_TRIED = 20
"""Images of the page's trials that are kept."""


class AdapterPages:
    """Handlers of adapters; an adapter has the id of its training.

    Args:
        jobs: whose adapters they are.
        engine: predicts.
        folder: of the studio, for images that are tried.
    """

    def __init__(self, jobs: Jobs, engine: Engine, folder: Path) -> None:
        self._jobs = jobs
        self._engine = engine
        self._folder = folder
        self._trimming = threading.Lock()
        self._tried = folder / "tried"

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each."""
        one = "/api/adapters/{job}"
        return [
            ("GET", "/api/adapters", self.listed),
            ("POST", "/api/adapters/merge", self.combine),
            ("POST", "/api/tried", self.take),
            ("GET", f"{one}/logits/{{image}}", self.logits),
            ("GET", f"{one}/explain/{{image}}", self.explain),
            ("GET", f"{one}/preview", self.preview),
            ("GET", f"{one}/download", self.download),
            ("GET", f"{one}/merged", self.merged),
            ("GET", f"{one}/onnx", self.onnx),
        ]

    async def listed(self, request: Request) -> Response:
        """Every adapter, the newest first, with its figures."""

        def described() -> list[dict[str, Any]]:
            return [self._describe(job) for job in reversed(self._jobs.all()) if self._has_adapter(job)]

        return JSONResponse(await run_in_threadpool(described))

    def _has_adapter(self, job: Job) -> bool:
        return (self._jobs.run(job.id) / "adapter" / "adapter_config.json").is_file()

    def _describe(self, job: Job) -> dict[str, Any]:
        adapter = self._jobs.run(job.id) / "adapter"
        metrics: dict[str, Any] = {}
        config = read_json(adapter / "adapter_config.json")
        with suppress(VisionLoraError):
            path = self._jobs.run(job.id) / "metrics.json"
            metrics = read_json(path) if path.exists() else {}
        about = (config.get("auto_mapping") or {}).get("visionlora", {})
        return {
            "id": job.id, "name": job.name, "created": job.created, "state": self._jobs.state(job.id),
            "network": about.get("model", ""), "classes": about.get("classes", []), "rank": config.get("r"),
            "family": about.get("family", ""), "figures": figures(metrics),
            "preview": (adapter / "preview.png").is_file(),
            "bytes": sum(file.stat().st_size for file in adapter.iterdir()),
        }  # fmt: skip

    async def combine(self, request: Request) -> Response:
        """Make one adapter of several.

        JSON: ``adapters``, a list of ids; ``weights``, a number for each; ``method``, of
        ``visionlora combine``; ``name``, "" for one made of theirs.

        Raises:
            VisionLoraError: they do not go together; the message calls them by their names.
        """
        asked = await fields(request)
        ids, weights = listed(asked, "adapters", str), listed(asked, "weights", (int, float))
        if len(ids) < 2 or len(ids) != len(weights):
            raise VisionLoraError("choose at least two adapters, and a weight for each")
        method, called = text(asked, "method"), text(asked, "name", "")
        jobs = [await run_in_threadpool(self._jobs.get, one) for one in ids]
        paths = [self._adapter(one) for one in ids]
        names = [job.name or job.id for job in jobs]
        identity = new_id()
        run = self._jobs.run(identity)
        try:
            await self._engine.call("combine", paths, weights, method, str(run / "adapter"))
        except VisionLoraError as error:
            await run_in_threadpool(shutil.rmtree, run, ignore_errors=True)
            message = str(error)
            for path, name in zip(paths, names, strict=True):
                message = message.replace(path, f"“{name}”")
            raise VisionLoraError(message) from error
        made_of = " + ".join(
            name if weight == 1 else f"{weight:g} {name}" for weight, name in zip(weights, names, strict=True)
        )
        job = await run_in_threadpool(self._jobs.add_merged, identity, jobs[0].project, called or made_of)
        return JSONResponse({"id": job.id})

    async def take(self, request: Request) -> Response:
        """Keep an image for :meth:`logits`; its id."""
        try:
            form = await request.form(max_files=1)
        except MultiPartException as error:
            raise VisionLoraError(f"the image cannot be read: {error.message}") from error
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise VisionLoraError("the request has no image")
        try:
            return JSONResponse({"id": await run_in_threadpool(self._keep, part)})
        finally:
            await form.close()

    def _keep(self, part: UploadFile) -> str:
        self._tried.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._tried, delete=False) as file:
            shutil.copyfileobj(part.file, file, 1 << 20)
        with self._trimming:  # another request's removal between listing and stat would be an error
            kept = sorted(self._tried.iterdir(), key=lambda path: path.stat().st_mtime)
            for old in kept[:-_TRIED]:
                old.unlink()
        return Path(file.name).name

    def _image(self, name: str) -> str:
        path = self._tried / name
        if path.parent != self._tried or not path.is_file():
            raise VisionLoraError("the image is no longer there; add it again")
        return str(path)

    def _adapter(self, job: str) -> str:
        path = self._jobs.run(job) / "adapter"
        if not (path / "adapter_config.json").is_file():
            raise VisionLoraError("this training has no adapter yet")
        return str(path)

    async def logits(self, request: Request) -> Response:
        """The logits of an image at strengths 0 and 1, or at those that ``?strength=`` names."""
        asked = request.query_params.getlist("strength")
        strengths = [_strength(one) for one in asked] or [0.0, 1.0]
        params = request.path_params
        image, adapter = self._image(params["image"]), self._adapter(params["job"])
        return JSONResponse(await self._engine.call("image_logits", adapter, image, strengths))

    async def explain(self, request: Request) -> Response:
        """Grad-CAM of both answers."""
        params = request.path_params
        image, adapter = self._image(params["image"]), self._adapter(params["job"])
        return JSONResponse(await self._engine.call("explain", adapter, image))

    async def preview(self, request: Request) -> Response:
        """The preview that a finished training draws of its adapter."""
        preview = Path(self._adapter(request.path_params["job"])) / "preview.png"
        if not preview.is_file():
            return Response(status_code=404)
        return FileResponse(preview, media_type="image/png")

    async def download(self, request: Request) -> Response:
        """The adapter's directory as a zip file."""
        adapter, job = Path(self._adapter(request.path_params["job"])), request.path_params["job"]
        content = await run_in_threadpool(_zipped, adapter.iterdir())
        return Response(content, media_type="application/zip", headers=_attached(f"adapter-{job}.zip"))

    async def merged(self, request: Request) -> Response:
        """The network's weights with the adapter merged in, as safetensors."""
        job = request.path_params["job"]
        output = self._jobs.run(job) / "merged.safetensors"
        await self._engine.call("merge", self._adapter(job), str(output))
        return FileResponse(
            output, media_type="application/octet-stream", headers=_attached(f"merged-{job}.safetensors")
        )

    async def onnx(self, request: Request) -> Response:
        """The network as ONNX, and the script that predicts with it, in a zip file."""
        job = request.path_params["job"]
        self._adapter(job)
        folder = self._jobs.run(job) / "onnx"
        found = await run_in_threadpool(self._jobs.get, job)
        images = None
        if found.merged:  # without images of its own to compare the file on
            images = str(self._folder / "projects" / found.project / "images")
            if not Path(images).is_dir():
                raise VisionLoraError(
                    "the file is compared with the network on images of the first adapter's project, which "
                    "was deleted; visionlora export takes other images"
                )
        await self._engine.call("export", str(self._jobs.run(job)), str(folder / "network.onnx"), images)
        content = await run_in_threadpool(_zipped, folder.iterdir())
        return Response(content, media_type="application/zip", headers=_attached(f"onnx-{job}.zip"))


def _strength(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= LARGEST_STRENGTH:
        raise VisionLoraError(f"a strength is a number from 0 to {LARGEST_STRENGTH:g}")
    return number


def _zipped(files: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            archive.write(file, file.name)
    return buffer.getvalue()


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
