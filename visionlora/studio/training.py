"""What the page asks about trainings."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from visionlora.errors import VisionLoraError
from visionlora.files import read_json
from visionlora.run_folder.names import STATUS
from visionlora.studio.engine import Engine
from visionlora.studio.figures import figures
from visionlora.studio.images import KEPT, Handler, fields, listed, text, thumbnail
from visionlora.studio.job import FILES
from visionlora.studio.jobs import Jobs, new_id
from visionlora.studio.prepare import choices, training_files
from visionlora.studio.projects import Projects
from visionlora.studio.tensorboard import TensorBoard

_OF_REPORTS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
}
"""A report holds its styles and images itself, and nothing that runs."""


class TrainingPages:
    """Handlers of trainings.

    Args:
        projects: what is trained with.
        jobs: the queue.
        engine: checks options.
        tensorboard: of their runs.
    """

    def __init__(self, projects: Projects, jobs: Jobs, engine: Engine, tensorboard: TensorBoard) -> None:
        self._projects = projects
        self._jobs = jobs
        self._engine = engine
        self._tensorboard = tensorboard

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each."""
        one = "/api/jobs/{job}"
        return [
            ("GET", "/api/settings", self.settings),
            ("POST", "/api/projects/{project}/train", self.train),
            ("GET", "/api/jobs", self.listed),
            ("GET", one, self.show),
            ("POST", f"{one}/cancel", self.cancel),
            ("POST", f"{one}/resume", self.resume),
            ("PATCH", one, self.rename),
            ("DELETE", one, self.delete),
            ("GET", f"{one}/log", self.log),
            ("GET", f"{one}/images/{{number:int}}", self.image),
            ("GET", f"{one}/report", self.report),
            ("POST", "/api/tensorboard", self.tensorboard),
        ]

    async def settings(self, request: Request) -> Response:
        """Every option of a training, with its help."""
        return JSONResponse(await self._engine.call("settings"))

    async def train(self, request: Request) -> Response:
        """Queue a training; its options are checked first.

        JSON: ``keep``, ``long``, ``network``, ``name``, and ``options``, a list of ``KEY=VALUE``.
        """
        asked, identity = await fields(request), request.path_params["project"]
        chosen = choices(text(asked, "keep"), text(asked, "long"), text(asked, "network"))
        options, name = listed(asked, "options", str), text(asked, "name", "")
        project = await run_in_threadpool(self._projects.get, identity)
        job, images = new_id(), self._projects.folder(identity) / "images"
        place = self._jobs.folder(job) / FILES
        try:
            files = await run_in_threadpool(training_files, project, images, place)
            arguments = [*files, *chosen, *options]
            await self._engine.call("validate", arguments)
        except BaseException:
            await run_in_threadpool(shutil.rmtree, place.parent, ignore_errors=True)
            raise
        name = name or ", ".join(project.classes[:3])
        await run_in_threadpool(self._jobs.add, job, identity, name, arguments)
        return JSONResponse({"id": job})

    async def listed(self, request: Request) -> Response:
        """Every training: id, name and state. The page asks each second."""

        def brief() -> list[dict[str, Any]]:
            return [
                {"id": job.id, "name": job.name, "state": self._jobs.state(job.id)}
                for job in self._jobs.all()
                if not job.merged
            ]

        return JSONResponse(await run_in_threadpool(brief))

    async def show(self, request: Request) -> Response:
        """A training with its curves, its images and, at the end, its figures."""
        identity = request.path_params["job"]

        def whole() -> dict[str, Any]:
            described = self._jobs.describe(self._jobs.get(identity))
            metrics = self._jobs.run(identity) / "metrics.json"
            with suppress(VisionLoraError):
                described["figures"] = figures(read_json(metrics)) if metrics.exists() else None
            for number, image in enumerate(described["status"].get("images", [])):
                image["number"] = number
                del image["path"]
            return described

        return JSONResponse(await run_in_threadpool(whole))

    async def cancel(self, request: Request) -> Response:
        """Stop it; what it has learned is saved."""
        await run_in_threadpool(self._jobs.cancel, request.path_params["job"])
        return JSONResponse({})

    async def resume(self, request: Request) -> Response:
        """Continue it."""
        await run_in_threadpool(self._jobs.resume, request.path_params["job"])
        return JSONResponse({})

    async def rename(self, request: Request) -> Response:
        """Call it something else."""
        name = text(await fields(request), "name")
        await run_in_threadpool(self._jobs.rename, request.path_params["job"], name)
        return JSONResponse({})

    async def delete(self, request: Request) -> Response:
        """Put it into the bin."""
        await run_in_threadpool(self._jobs.delete, request.path_params["job"])
        return JSONResponse({})

    async def log(self, request: Request) -> Response:
        """What it printed."""
        said = await run_in_threadpool(self._jobs.log, request.path_params["job"])
        return Response(said, media_type="text/plain; charset=utf-8")

    async def image(self, request: Request) -> Response:
        """One of the validation images that ``status.json`` names."""
        run, number = self._jobs.run(request.path_params["job"]), request.path_params["number"]

        def drawn() -> bytes | None:
            told = read_json(run / STATUS).get("images", [])
            return thumbnail(Path(told[number]["path"])) if number < len(told) else None

        content = await run_in_threadpool(drawn)
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="image/jpeg", headers=KEPT)

    async def report(self, request: Request) -> Response:
        """The run's report, a page of its own."""
        page = self._jobs.run(request.path_params["job"]) / "report.html"
        if not page.is_file():
            raise VisionLoraError("this training has written no report yet")
        return FileResponse(page, media_type="text/html", headers=_OF_REPORTS)

    async def tensorboard(self, request: Request) -> Response:
        """Start TensorBoard on all runs, once; where it is."""
        return JSONResponse({"address": await run_in_threadpool(self._tensorboard.address)})
