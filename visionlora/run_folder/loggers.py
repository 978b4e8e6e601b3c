"""Where a run's curves go: Lightning's own loggers, by the word that ``logger=`` takes."""

from __future__ import annotations

import importlib.util
import os
import threading
from functools import partial
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from visionlora.errors import VisionLoraError

PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}
"""What Lightning's logger of that name needs besides Lightning."""


def require_logger(kind: str) -> None:
    """Check that the package of a logger is installed, before anything is loaded.

    Raises:
        VisionLoraError: it is not.
    """
    package = PACKAGES.get(kind)
    if package is not None and importlib.util.find_spec(package) is None:
        raise VisionLoraError(
            f"logger is {kind}, and {package} is not installed: pip install 'visionlora[{kind}]', or set "
            "logger=tensorboard"
        )


def make_logger(kind: str, folder: Path, project: str, start: int | None = None) -> Logger:
    """The logger of a run; what it writes to a disk is in the run's folder.

    Args:
        kind: tensorboard, csv, wandb or mlflow.
        folder: of the run.
        project: what W&B calls project and MLflow experiment.
        start: the step after which a resumed run continues; None: it is new.

    Raises:
        VisionLoraError: the service behind the logger refuses the run, or its file cannot be in the folder.
    """
    if kind == "tensorboard":
        purge = None if start is None else start + 1
        threading.excepthook = partial(_name_the_folder, folder / "tensorboard")
        return _TensorBoard(
            str(folder), name="", version="tensorboard", default_hp_metric=False, purge_step=purge
        )
    if kind == "csv":
        # Lightning's removes what an earlier one wrote to the same place.
        return CSVLogger(str(folder), name="", version="csv" if start is None else f"csv_after_step_{start}")
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if kind == "mlflow" and not address and {"%", "?"} & set(str(folder)):
        # They mean something in the address of the file: MLflow would write it elsewhere.
        raise VisionLoraError(
            f"logger mlflow cannot write into {folder}: there is % or ? in its name; set hydra.run.dir "
            "or MLFLOW_TRACKING_URI"
        )
    try:
        logger = _online(kind, folder, project)
        _ = logger.experiment  # which asks the service: now, and not when training has begun
    except Exception as error:
        raise VisionLoraError(
            f"logger {kind} cannot start: {' '.join(str(error).split())[:300]}; set it up as its own "
            "documentation says, or set logger=tensorboard"
        ) from error
    return logger


class _TensorBoard(TensorBoardLogger):
    """Lightning's replaces variables in the folder's name: of ``$HOME`` in it, or of ``~``."""

    @property
    def log_dir(self) -> str:
        return str(Path(self.root_dir, str(self.version)))


def _name_the_folder(folder: Path, failed: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread gives the error of a full disk to the main thread, which raises it at its next
    figure: it is not printed before, and says where."""
    own = type(failed.thread).__module__.partition(".")[0] != "tensorboard"
    if own or not isinstance(failed.exc_value, OSError):
        threading.__excepthook__(failed)
    elif failed.exc_value.filename is None:
        failed.exc_value.filename = str(folder)


def _online(kind: str, folder: Path, project: str) -> WandbLogger | MLFlowLogger:
    if kind == "wandb":
        return WandbLogger(name=folder.name, project=project, save_dir=str(folder))
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
    return MLFlowLogger(project, folder.name, address, artifact_location=(folder / "mlflow").as_uri())


def close_logger(logger: Logger) -> None:
    """End the run for its logger: the next one of a sweep, in this process, is another run."""
    logger.finalize("success")
    if isinstance(logger, WandbLogger):
        logger.experiment.finish()
