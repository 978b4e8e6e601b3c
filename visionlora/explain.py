"""Show how each layer would be computed: ``python -m visionlora.explain model=vgg19``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch


def explain(config: DictConfig) -> int:
    """Attach adapters, take a step on random images, and print the ways layer by layer."""
    from visionlora.settings import plain
    from visionlora.training.explain import explain_network

    explain_network(plain(config))
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(explain, "explain")


if __name__ == "__main__":
    main()
