"""Show how each layer would be computed: ``python -m visionlora.explain model=vgg19``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.files import require_all_writable
from visionlora.lazy import garbage_kept
from visionlora.settings import build, plain
from visionlora.training.config import ExplainConfig

COMMAND = Command(
    "explain",
    "show how each adapted layer is computed here, and how long each implementation takes",
    ExplainConfig,
    (
        "visionlora explain model=vgg19",
        "visionlora explain model=resnet50 lora.rank=4 data.batch_size=32 trainer.kernel=rule",
    ),
)


def explain(config: DictConfig) -> int:
    """Attach adapters, take a step on random images, and print the implementations layer by layer."""
    options = build(ExplainConfig, plain(config))
    with garbage_kept():
        from visionlora.training.explain import explain_network
        from visionlora.training.trainer import check_available

    check_available(options.model, options.trainer)
    require_all_writable(output=options.output)
    explain_network(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(explain, COMMAND)


if __name__ == "__main__":
    main()
