"""The studio as a web application: its page, and what the page asks for."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from visionlora.errors import VisionLoraError
from visionlora.studio.adapters import AdapterPages
from visionlora.studio.config import StudioOptions
from visionlora.studio.engine import Engine
from visionlora.studio.guard import Guard
from visionlora.studio.images import ImagePages
from visionlora.studio.jobs import Jobs
from visionlora.studio.projects import Projects
from visionlora.studio.tensorboard import TensorBoard
from visionlora.studio.training import TrainingPages

PAGE = Path(__file__).parent / "page"


def build_app(folder: Path, token: str | None, options: StudioOptions) -> Starlette:
    """The application.

    Args:
        folder: where projects, jobs and runs are.
        token: what a browser has to know; None: nothing.
        options: bounds of uploads.
    """
    upload_bytes = int(options.upload_mb * 2**20)
    engine, jobs = Engine(), Jobs(folder)
    projects = Projects(folder / "projects", options.images)
    images = ImagePages(projects, engine, folder, upload_bytes)
    tensorboard = TensorBoard(folder / "runs")
    training = TrainingPages(projects, jobs, engine, tensorboard)
    adapters = AdapterPages(jobs, engine, folder)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=jobs.keep_going, daemon=True).start()
        engine.warm_up()
        yield
        jobs.close()
        engine.close()
        tensorboard.close()

    async def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def networks(request: Request) -> Response:
        return JSONResponse(await engine.call("networks"))

    known: dict[str, Any] = {}

    async def outputs(request: Request) -> Response:
        network = request.path_params["network"]
        if network not in known:
            known[network] = await engine.call("outputs", network)
        return JSONResponse(known[network])

    routes = [
        Route("/", page),
        Route("/api/networks", answering(networks)),
        Route("/api/networks/{network}/outputs", answering(outputs)),
        *(Route(path, answering(asked), methods=[method]) for method, path, asked in images.routes()),
        *(Route(path, answering(asked), methods=[method]) for method, path, asked in training.routes()),
        *(Route(path, answering(asked), methods=[method]) for method, path, asked in adapters.routes()),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    guard = Middleware(Guard, token=token, upload_bytes=upload_bytes)
    return Starlette(routes=routes, middleware=[guard], lifespan=running)


Asked = Callable[[Request], Awaitable[Response]]


def answering(asked: Asked) -> Asked:
    """The same, with a mistake, or what the disk refuses, as one line that the page shows."""

    async def answer(request: Request) -> Response:
        try:
            return await asked(request)
        except VisionLoraError as error:
            return JSONResponse({"error": str(error)}, 400)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            message = f"the studio's folder cannot be used{where}: {error.strerror}"
            return JSONResponse({"error": message}, 507)

    return answer
