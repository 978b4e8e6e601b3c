"""How every command starts and ends: Hydra composes the configuration; a user's mistake is one line."""

from __future__ import annotations

import difflib
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf

from visionlora.errors import VisionLoraError
from visionlora.paths import shipped
from visionlora.text import make_streams_safe, printable

Task = Callable[[DictConfig], int]


def launch(task: Task, config_name: str) -> NoReturn:
    """Compose ``conf/<config_name>.yaml`` with the command line, run ``task`` and leave with its exit code.

    The exit code is 0 for success, 2 for a mistake that the user can mend, 130 after Ctrl-C, and whatever
    the task returns otherwise.
    """
    # Only now: Hydra takes a third of a second to import.
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    make_streams_safe()
    register_resolvers()
    # Hydra prints tracebacks of its own unless told to let exceptions through.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    exit_code = 0

    @functools.wraps(task)
    def guarded(config: DictConfig) -> None:
        # Inside Hydra's own handler a mistake would be announced twice, so it ends here.
        nonlocal exit_code
        try:
            exit_code = max(exit_code, task(config))
        except Exception as error:
            if not is_users_mistake(error):
                raise
            code = getattr(error, "exit_code", 2)
            if not in_sweep():
                fail(str(error), code)
            # The other runs of a sweep are not to blame.
            exit_code = max(exit_code, code)
            complain(str(error))

    application = hydra.main(config_path=str(shipped("conf")), config_name=config_name, version_base="1.3")
    try:
        application(guarded)()
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain_composition(error, config_name))
    except KeyboardInterrupt:
        fail("interrupted", 130)
    sys.exit(exit_code)


def is_users_mistake(error: Exception) -> bool:
    """Whether ``error`` is meant for the user, as against a defect of ours."""
    from omegaconf.errors import OmegaConfBaseException

    from visionlora.adapters import LoraError

    return isinstance(error, (VisionLoraError, LoraError, OmegaConfBaseException))


def in_sweep() -> bool:
    """Whether Hydra runs this as one job of several (``--multirun``)."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def complain(message: str) -> None:
    """Print ``error: message`` in one line."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)


def fail(message: str, exit_code: int = 2) -> NoReturn:
    """Print ``error: message`` in one line and leave."""
    complain(message)
    sys.exit(exit_code)


def register_resolvers() -> None:
    """Make ``${shipped:data/goldfish}`` known to configuration files."""
    OmegaConf.register_new_resolver("shipped", lambda path: str(shipped(path)), replace=True)


def explain_composition(error: Exception, config_name: str) -> str:
    """Say in one line what Hydra could not compose, with the closest real key or option."""
    message = str(error)
    misspelt = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", message)
    if misspelt:
        key = misspelt.group(1) or misspelt.group(2)
        known = list(known_keys(config_name))
        close = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; --cfg job prints every key"
        return f"there is no configuration key {key!r}{hint}"
    option = re.search(r"Could not find '([^']+)'", message)
    if option:
        group, _, name = option.group(1).rpartition("/")
        options = sorted(file.stem for file in shipped(f"conf/{group}").glob("*.yaml"))
        return f"there is no {group}={name}; there are {', '.join(options)} (see --help)"
    missing = re.search(r"Missing mandatory value: (\S+)", message)
    if missing:
        return f"{missing.group(1)} has no value; set {missing.group(1)}=..."
    return message


def known_keys(config_name: str) -> Iterator[str]:
    """Every dotted key of the configuration as shipped."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        config = OmegaConf.to_container(compose(config_name), resolve=False)
    assert isinstance(config, dict)
    yield from _dotted(config)


def _dotted(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
