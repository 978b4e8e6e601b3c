"""Send an adapter to a hub: ``python -m visionlora.push adapter=RUN repo=user/name``."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.errors import VisionLoraError
from visionlora.options import Section, option
from visionlora.settings import build, plain


@dataclass(frozen=True, kw_only=True)
class PushOptions(Section):
    """Options of ``visionlora push``."""

    adapter: str = option(help="a run folder or an adapter directory", path=True, also=("run",))
    repo: str = option(help="where it goes: user/name", free="user/name")
    licence: str | None = option(
        None, "its licence, for the card: apache-2.0, cc-by-4.0, ...", also=("license",)
    )
    private: bool = option(False, "whether a repository that has to be made is private")

    def check(self) -> None:
        """A licence is one word."""
        if self.licence is not None and not self.licence.replace("-", "").replace(".", "").isalnum():
            raise ValueError(
                f"licence is {self.licence!r}; it takes a word as the hub has it, like apache-2.0"
            )


COMMAND = Command(
    "push",
    "send an adapter with its card and preview to Hugging Face's hub",
    PushOptions,
    ("visionlora push adapter=RUN repo=user/name licence=apache-2.0",),
)


def push(config: DictConfig) -> int:
    """Send the adapter, and say where it is."""
    options = build(PushOptions, plain(config))
    from visionlora import hub
    from visionlora.models.restore import adapter_directory
    from visionlora.text import printable

    if hub.is_on_hub(options.repo) or options.repo.count("/") != 1:
        raise VisionLoraError(f"repo is {options.repo!r}; it takes user/name")
    commit = hub.push(adapter_directory(options.adapter), options.repo, options.licence, options.private)
    print(f"{printable(commit)}\nadapter=hf://{printable(options.repo)} is this adapter now")
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(push, COMMAND)


if __name__ == "__main__":
    main()
