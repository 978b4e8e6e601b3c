"""The Trainer of transformers: its checkpoints hold the adapter alone (visionlora.integrations)."""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from visionlora.adapters import LoraConfig, attach, load_adapter
from visionlora.integrations.transformers import AdapterTrainer


class WithLoss(nn.Module):
    """What the Trainer calls: images and labels to a loss and logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.network(images)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def main(folder: Path = Path("transformers_example")) -> list[str]:
    """Train on noise; returns the files of the last checkpoint."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    model = WithLoss(attach(network, LoraConfig(rank=4)))
    images, labels = torch.randn(8, 3, 64, 64), torch.randint(4, (8,))
    data = [{"images": one, "labels": label} for one, label in zip(images, labels, strict=True)]
    arguments = TrainingArguments(
        str(folder), max_steps=2, per_device_train_batch_size=4, save_steps=2, report_to=[], use_cpu=True,
        disable_tqdm=True,
    )  # fmt: skip
    trainer: Trainer = AdapterTrainer(model=model, args=arguments, train_dataset=data)
    trainer.train()
    last = folder / "checkpoint-2"
    again = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
    again.load_state_dict(state)
    load_adapter(WithLoss(again), last)
    return sorted(path.name for path in last.iterdir())


if __name__ == "__main__":
    print("the checkpoint has", ", ".join(main()))
