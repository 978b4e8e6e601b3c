"""Train an adapter: ``python -m visionlora.train data=goldfish``."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from visionlora.command import Command, in_sweep, launch, register_resolvers
from visionlora.errors import VisionLoraError
from visionlora.files import link_outside
from visionlora.lazy import garbage_kept
from visionlora.paths import with_home
from visionlora.processes import joined, run_in
from visionlora.run_folder.compare import given_options, require_places
from visionlora.run_folder.earlier import take_options
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.lock import claimed
from visionlora.run_folder.lost_results import was_removed
from visionlora.run_folder.names import CONFIG, LOG
from visionlora.run_folder.nearest_run import no_run
from visionlora.run_folder.place import image_folders, require_no_images, require_utf8
from visionlora.run_folder.shared_folder import shared
from visionlora.settings import keys_of
from visionlora.signals import NoStop, Stopped, StopRequest, stoppable
from visionlora.slurm import requeue, was_requeued
from visionlora.terminal import fail, print_error, show
from visionlora.text import printable
from visionlora.this_process import this_process
from visionlora.training.config import RunConfig, read_config

COMMAND = Command(
    "train",
    "train a pretrained network on a handful of images with LoRA, and keep what it knew",
    RunConfig,
    (
        "visionlora train data=goldfish",
        "visionlora train data.root=my_images model=vgg19 lora.rank=4",
        "visionlora train -m data=goldfish lora.rank=1,2,4,8",
        "visionlora train adapter=RUN data.root=one_more_class",
    ),
)


def train(config: DictConfig) -> int:
    """One training run; its folder is the one that Hydra made."""
    from hydra.core.hydra_config import HydraConfig

    path = Path(HydraConfig.get().runtime.output_dir)
    try:
        if not this_process().first:  # torchrun's or SLURM's
            return _help(read_config(config).trainer.accelerator)
        require_utf8(path)
        with claimed(path), stoppable() as stop:
            folder, config = _open(path, config, HydraConfig.get().overrides.task)
            try:
                if folder.finished:
                    show(f"{path} is finished: there is nothing to continue")
                else:
                    options = read_config(config)
                    _check_available(options)
                    first = partial(_run, config, folder, stop)
                    run_in(options.trainer.devices, first, _help, options.trainer.accelerator)
            except Exception as error:
                stop.check_raised()
                if not (path / CONFIG).is_file():
                    raise was_removed(path) from error
                folder.discard()
                if not (folder.continues and type(error) is VisionLoraError):  # it refuses to continue
                    _say_what_is_left(folder)
                raise
    except Stopped as stopped:
        again = shlex.join(("visionlora", "train", f"resume={path}"))
        begun = f"; {again} continues the run" if (path / CONFIG).is_file() else ""
        learned = f", and adapter={path} is what it has learned so far" if (path / "adapter").exists() else ""
        print_error(f"{stopped}{begun}{learned}")
        if stopped.requeues:
            problem = requeue()
            print_error(problem) if problem else show(
                "the job is in SLURM's queue again and will continue the run"
            )
        if in_sweep():
            raise  # it ends the sweep, not this run alone
        return stopped.exit_code
    finally:
        for left in path.rglob(".process-*") if this_process().first else ():
            shutil.rmtree(left, ignore_errors=True)
        # In a sweep Hydra still logs to it.
        if not in_sweep():
            _remove_if_empty(path)
    return 0


def _open(path: Path, config: DictConfig, overrides: Sequence[str]) -> tuple[RunFolder, DictConfig]:
    """The folder of a new run or of the one to resume, and the run's configuration."""
    import hydra

    resumed = OmegaConf.select(config, "resume.run")
    if resumed is None and was_requeued() and (path / CONFIG).exists():
        show(f"SLURM has started this job again: it continues {path}")
        resumed = path
    keys = keys_of(RunConfig)
    if resumed is None:
        if config.adapter is not None:
            given = given_options(overrides, config, hydra.compose(COMMAND.name), keys)
            taken = take_options(config, given, keys)
            if taken is not None:
                show(taken)
        options = read_config(config)
        retention, contrast = options.retention, options.contrast
        read = image_folders(
            options.data.root, retention.anchors, retention.root, contrast.anchors, contrast.root
        )
        require_no_images(path, read)
        return RunFolder.start(path, config), config
    if in_sweep():
        raise VisionLoraError("resume continues one run; leave -m out")
    if path.resolve() != with_home(resumed).resolve():
        raise no_run(with_home(resumed))
    given = given_options(overrides, config, hydra.compose(COMMAND.name), keys)
    if "adapter" in given and not was_requeued():
        raise VisionLoraError(
            "adapter and resume are both given; resume=RUN continues a run that stopped, adapter=RUN learns "
            "further classes with a finished one: give one of them"
        )
    force = OmegaConf.select(config, "resume.force") is True
    folder, config = RunFolder.resume(path, given, keys, force)
    if not folder.finished:
        require_places(config, given, path, Path(folder.record.get("directory", ".")))
    return folder, config


def _check_available(options: RunConfig) -> None:
    # Only now: torch and Lightning take seconds to import.
    with garbage_kept():
        from visionlora.run_folder.loggers import require_logger
        from visionlora.training.trainer import check_available

    require_logger(options.logger)
    check_available(options.model, options.trainer, options.optimizer.name)


def _run(config: DictConfig, folder: RunFolder, stop: StopRequest) -> int:
    """The run in the first process, and mostly the only one."""
    from visionlora.device import choose_device

    trainer = read_config(config).trainer
    with joined(choose_device(trainer.accelerator).type, trainer.strategy == "ddp"):
        _train(config, shared(folder, config), stop)
    return 0


def _help(accelerator: str) -> int:
    """The run in another process, which is told everything by the first one, and stopped by it."""
    from visionlora.device import choose_device

    with joined(choose_device(accelerator).type):
        register_resolvers()
        folder = shared(None)
        try:
            _train(folder.config(), folder, NoStop())
        finally:
            shutil.rmtree(folder.path, ignore_errors=True)
    return 0


def _train(config: DictConfig, folder: RunFolder, stop: StopRequest) -> None:
    with garbage_kept():
        from visionlora.training.run import run, run_folds

    run(config, folder, stop) if config.data.folds is None else run_folds(config, folder, stop)


def _say_what_is_left(folder: RunFolder) -> None:
    """Name what a run that failed had saved by then, and how it goes on."""
    path = printable(folder.path)
    if (folder.path / "checkpoints").is_dir() and (step := folder.checkpoints.last_step) is not None:
        show(
            f"the adapter as it was after step {step} is in {printable(folder.path / 'adapter')}; "
            f"resume={path} continues from there"
        )
    elif (folder.path / CONFIG).is_file():
        show(f"no checkpoint is saved yet; resume={path} begins the training again")


def _remove_if_empty(folder: Path) -> None:
    """Remove a run's folder, and those around it, where the run wrote nothing but its log."""
    log = folder / LOG
    try:
        if [*folder.iterdir()] == [log]:
            _close_log(folder)
            log.unlink()
    except OSError:  # as below
        return
    for one in (folder, *folder.parents):
        try:
            if one == Path.cwd() or not one.is_dir() or any(one.iterdir()):
                return
            _close_log(one)
            one.rmdir()
        except OSError:  # a disk of its own, or a read-only one: what ended the run is said elsewhere
            return


def _close_log(folder: Path) -> None:
    """Log nothing more to a folder that is removed: libraries do when the process ends."""
    root, folder = logging.getLogger(), folder.absolute()
    for handler in root.handlers[:]:
        if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).parent == folder:
            root.removeHandler(handler)


def in_its_folder(given: Sequence[str]) -> list[str]:
    """The words of a command line, where ``resume=RUN`` makes RUN the run's folder.

    Raises:
        VisionLoraError: another folder is given too, or a link in the run's folder leads out of it.
    """
    named = [word.partition("=")[2] for word in given if word.partition("=")[0] in ("resume", "resume.run")]
    if not named or not (with_home(named[-1]) / CONFIG).is_file():
        return list(given)  # not the folder of a run: that is reported once the options are read
    link = link_outside(with_home(named[-1]))
    if link is not None:
        raise VisionLoraError(
            f"resume: {link} is a link that leads out of the run's folder, and a run writes nowhere else; "
            "put what it leads to in its place"
        )
    own = with_home(named[-1]).resolve()
    others = [word.partition("=")[2] for word in given if word.partition("=")[0] == "hydra.run.dir"]
    if any(with_home(other).resolve() != own for other in others):
        raise VisionLoraError("resume continues a run in its own folder; leave hydra.run.dir out")
    return [*given, f"hydra.run.dir={named[-1]}"]


def main() -> None:
    """Entry point of the command."""
    try:
        sys.argv[1:] = in_its_folder(sys.argv[1:])
    except VisionLoraError as error:
        fail(str(error))
    launch(train, COMMAND)


if __name__ == "__main__":
    main()
