"""Whether the commands are installed, or the library alone."""

from __future__ import annotations

import sys
from importlib.util import find_spec

COMMANDS_NEED = (
    "hydra", "lightning", "matplotlib", "numpy", "omegaconf", "PIL", "rich", "tensorboard", "torchmetrics",
    "torchvision", "yaml",
)  # fmt: skip
"""What ``pip install 'visionlora[train]'`` brings, and ``pip install visionlora`` does not."""
ADVICE = "pip install 'visionlora[train]' (in a checkout: pip install '.[train]')"


def missing() -> list[str]:
    """The packages that the commands need and that are not installed; nothing is imported."""
    return [name for name in COMMANDS_NEED if sys.modules.get(name) is None and find_spec(name) is None]


def require_commands() -> None:
    """Exit with code 2 and one line where a package is missing that the commands need."""
    if lacking := missing():
        verb = "is" if len(lacking) == 1 else "are"
        print(
            f"error: only visionlora's library is installed ({', '.join(lacking)} {verb} not installed); the "
            f"commands need: {ADVICE}",
            file=sys.stderr,
        )
        sys.exit(2)


def about_to_run_a_command() -> bool:
    """Whether this is ``python -m visionlora.COMMAND``, before the module of the command is imported.

    While Python locates the module of ``-m``, and imports the package around it, ``sys.argv[0]`` is ``-m``
    (https://docs.python.org/3/using/cmdline.html#cmdoption-m).
    """
    words = getattr(sys, "argv", [])  # an embedded Python may have none
    return words[:1] == ["-m"] and sys.orig_argv[-len(words)].startswith(("visionlora.", "-mvisionlora."))
