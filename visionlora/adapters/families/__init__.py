"""The adapter families by name. A new family is one file beside this one and one line here."""

from __future__ import annotations

from visionlora.adapters.base import Adapter
from visionlora.adapters.families.adalora import Adalora
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.families.boft import Boft
from visionlora.adapters.families.conv_adapter import ConvAdapter
from visionlora.adapters.families.cross_group import CrossGroup
from visionlora.adapters.families.dora import Dora
from visionlora.adapters.families.dylora import Dylora
from visionlora.adapters.families.full import Full
from visionlora.adapters.families.glora import Glora
from visionlora.adapters.families.ia3 import Ia3
from visionlora.adapters.families.loha import Loha
from visionlora.adapters.families.lokr import Lokr
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.families.norm import Norm
from visionlora.adapters.families.oft import Oft
from visionlora.adapters.families.vera import Vera
from visionlora.adapters.families.visual_prompt import VisualPrompt

FAMILIES: dict[str, type[Adapter]] = {
    "lora": Lora,
    "dora": Dora,
    "loha": Loha,
    "lokr": Lokr,
    "oft": Oft,
    "boft": Boft,
    "ia3": Ia3,
    "vera": Vera,
    "adalora": Adalora,
    "dylora": Dylora,
    "glora": Glora,
    "full": Full,
    "bias": Bias,
    "norm": Norm,
    "conv_adapter": ConvAdapter,
    "cross_group": CrossGroup,
    "visual_prompt": VisualPrompt,
}
