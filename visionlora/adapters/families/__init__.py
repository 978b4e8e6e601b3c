"""The adapter families by name. A new family is one file beside this one and one line here."""

from __future__ import annotations

from visionlora.adapters.base import Adapter
from visionlora.adapters.families.dora import Dora
from visionlora.adapters.families.loha import Loha
from visionlora.adapters.families.lora import Lora

FAMILIES: dict[str, type[Adapter]] = {
    "lora": Lora,
    "dora": Dora,
    "loha": Loha,
}
