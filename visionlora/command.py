"""How every command starts and ends: Hydra composes the configuration; a user's mistake is one line."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import yaml
from omegaconf import DictConfig, OmegaConf

from visionlora import __version__
from visionlora.arguments import Arguments, config_folders, several_values
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.files import cannot_use
from visionlora.help import asked_about, command_help, help_on
from visionlora.memory import ADVICE, first_line, is_out_of_memory
from visionlora.paths import new_folder, require_current_folder, shipped
from visionlora.process_exit import end_command
from visionlora.settings import groups_of, keys_of, no_value, register, top_level
from visionlora.signals import Stopped, starting, stoppable
from visionlora.sweep_jobs import record_job
from visionlora.terminal import (
    discard,
    fail,
    make_streams_safe,
    output_is_closed,
    print_error,
    show,
    warn_in_a_line,
)

Task = Callable[[DictConfig], int]

UNREAD = 141
"""The exit code of a command whose output nobody reads any more: 128 and SIGPIPE, as shells have it."""


@dataclass(frozen=True)
class Command:
    """One of visionlora's commands.

    Attributes:
        name: ``visionlora NAME``; its composition is ``conf/NAME.yaml``.
        summary: one line for ``--help``.
        options: the dataclass of its configuration.
        examples: command lines that work.
    """

    name: str
    summary: str
    options: type
    examples: tuple[str, ...]


@starting()
def launch(task: Task, command: Command) -> NoReturn:
    """Compose the command's configuration with the command line, run ``task`` and exit with its code.

    The exit code is 0 for success, 2 for a mistake that the user can correct, 4 for a fault of the machine,
    130 after Ctrl-C, 143 after SIGTERM, and whatever the task returns otherwise.
    """
    try:
        _launch(task, command)
    except SystemExit as end:
        if isinstance(end.code, int):
            end_command(end.code)
        raise


def _launch(task: Task, command: Command) -> NoReturn:
    _set_environment()
    given = sys.argv[1:]
    keys, groups = keys_of(command.options), tuple(groups_of(command.options))
    arguments = Arguments(keys, groups, given)
    try:
        print_help_or_version(command, given)
        require_current_folder()
        sys.argv[1:] = arguments.for_hydra()
    except VisionLoraError as error:
        fail(str(error))
    # Only now: Hydra takes a third of a second to import.
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()
    register(command.options)
    exit_code, started = 0, False

    @functools.wraps(task)
    def guarded(config: DictConfig) -> float | None:
        nonlocal exit_code, started
        started = True
        code = _run(command, task, config)
        exit_code = max(exit_code, code)
        return record_job(code) if in_sweep() else None

    application = hydra.main(config_path=str(shipped("conf")), config_name=command.name, version_base="1.3")
    try:
        application(guarded)()
    except Stopped as stopped:
        fail(str(stopped), stopped.exit_code)
    except Exception as error:
        # Until the task starts only what the user gives to Hydra is read; a sweep composes each run.
        if started and not isinstance(error, (HydraException, OmegaConfBaseException)):
            raise
        fail(explain_composition(error))
    sys.exit(max(exit_code, failed_jobs()))


def _set_environment() -> None:
    """What Hydra, PyTorch, rich and ONNX Runtime read from the process, before they are imported."""
    make_streams_safe()
    warn_in_a_line()
    if os.environ.get("COLUMNS") == "0":  # of a terminal without a size; rich would print nothing
        del os.environ["COLUMNS"]
    # What MPS cannot compute the CPU does, and PyTorch says so.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # ONNX Runtime (from 1.29 on) reports its use, and a file's name, to its maker, and makes an identifier in
    # the home folder (https://github.com/microsoft/onnxruntime/pull/27379).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Hydra prints tracebacks of its own unless told to let exceptions through.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # A log that cannot be written is no reason for a traceback: what fills the disk fails where it matters.
    logging.raiseExceptions = False


def _run(command: Command, task: Task, config: DictConfig) -> int:
    """The task's exit code, or that of its error in a sweep, whose other runs go on. Otherwise the error ends
    the process here: inside Hydra's own handler it would be reported twice."""
    register_resolvers()  # a launcher may have started another process for it
    try:
        with stoppable():
            return task(config)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and output_is_closed():
            discard(sys.stdout)
            end_unread(command)
        known = in_words(error)
        if known is None:
            raise
        if not in_sweep():
            fail(str(known), known.exit_code)
        print_error(str(known))
        return known.exit_code
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich ends a command with code 1
            end_unread(command)
        raise


def failed_jobs() -> int:
    """The largest exit code of the runs of a sweep, which may have run in other processes; 0: it was none.

    It is asked for once: another command in this process is not judged by it.
    """
    sweep = sys.modules.get("visionlora.sweep")
    if sweep is None:
        return 0
    code, sweep.SweepTable.exit_code = sweep.SweepTable.exit_code, 0
    return code


def compose(command: Command, given: Sequence[str]) -> DictConfig:
    """The configuration that a command line gives; nothing is run.

    Raises:
        VisionLoraError: a key that does not exist, a word that is not ``KEY=VALUE``, or several values.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    arguments = Arguments(keys_of(command.options), tuple(groups_of(command.options)), given)
    register_resolvers()
    register(command.options)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(shipped("conf").resolve()), version_base="1.3"):
        try:
            return hydra.compose(command.name, overrides=arguments.for_hydra())
        except (HydraException, OmegaConfBaseException) as error:
            raise VisionLoraError(explain_composition(error)) from error


def print_help_or_version(command: Command, given: Sequence[str]) -> None:
    """Print what ``--help`` or ``--version`` asks for and exit; return where neither is given.

    Raises:
        VisionLoraError: help is asked for a group or key that the command does not have.
    """
    if "--version" in given:
        show(f"visionlora {__version__}")
        sys.exit(0)
    keys, groups = keys_of(command.options), {group.name: group for group in groups_of(command.options)}
    asked = asked_about(given, {*keys, *groups})
    if asked is None:
        return
    folders = config_folders(given)
    if asked:
        show("\n\n".join(help_on(name, keys, groups, folders) for name in asked))
    else:
        title = f"visionlora {command.name}: {command.summary}"
        general = top_level(command.options)
        show(command_help(title, command.examples, general, tuple(groups.values()), folders))
    sys.exit(0)


def in_words(error: Exception) -> VisionLoraError | None:
    """An error that the user or the machine made, for the user; None: it is a defect of ours."""
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, VisionLoraError):
        return error
    if isinstance(error, OmegaConfBaseException):
        return VisionLoraError(str(error))
    # An error of the system is about a file or the machine, whichever call ran into it.
    for one in (error, error.__cause__):  # Lightning says of TensorBoard's full disk that it can't log 0.5
        if isinstance(one, OSError) and one.errno is not None:
            return cannot_use(one)
    if is_out_of_memory(error):
        said = f" ({first_line(str(error))})" if str(error) else ""
        return MachineFault(f"there is not enough memory{said}; {ADVICE}")
    return None


def in_sweep() -> bool:
    """Whether Hydra runs this as one job of several (``--multirun``)."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def end_unread(command: Command) -> NoReturn:
    """End a command whose output nobody reads any more, with the code of SIGPIPE. A training says so: its
    reader (``head``) may have ended by accident."""
    if command.name == "train":
        from hydra.core.hydra_config import HydraConfig

        folder = HydraConfig.get().runtime.output_dir
        print_error(f"what read the output has ended, and the training with it; resume={folder} continues it")
    sys.exit(UNREAD)


def register_resolvers() -> None:
    """Make ``${shipped:data/goldfish}`` and ``${new_folder:PATH}`` known to configuration files."""
    OmegaConf.register_new_resolver("shipped", lambda path: str(shipped(path)), replace=True)
    # Asked for several times in a sweep, whose jobs share a folder.
    OmegaConf.register_new_resolver("new_folder", new_folder, replace=True, use_cache=True)


def explain_composition(error: Exception) -> str:
    """What Hydra could not compose, in one line that says what to do."""
    message = str(error)
    if isinstance(error, OSError) and error.errno is not None:  # Hydra's own have none
        advice = "set hydra.run.dir=FOLDER (in a sweep hydra.sweep.dir=FOLDER)"
        return f"the run's folder cannot be made ({error}); {advice}"
    if isinstance(error, yaml.YAMLError):
        return f"a configuration file cannot be read: {message}"
    sweep = re.search(r"(?:argument '|parameters? ')([^']+)'", message)
    if sweep and ("mbiguous" in message or "multirun" in message):
        key, _, value = sweep.group(1).partition("=")
        return several_values(key, value)
    plugin = re.search(r"Could not load '(hydra/(?:sweeper|launcher)/\w+)'", message)
    if plugin:
        return f"there is no {plugin.group(1)}: Hydra's plugins are in pip install 'visionlora[sweep]'"
    if lacking := re.search(r"Could not override '((\w+)\.[\w.]+)'", message):
        return f"{lacking[1]}: the preset of {lacking[2]} lacks it; begin its file with 'defaults: [default]'"
    if missing := re.search(r"Missing mandatory value: (\S+)", message):
        return no_value(missing.group(1))
    key = re.search(r"(?:full_key: |override ')([\w.]+)", message)
    about = f"{key.group(1)}: " if key else ""
    return f"{about}{message.splitlines()[0]} (--cfg job prints the configuration)"
