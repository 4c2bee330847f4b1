"""What of a topic network learns, as one module, with its loss and its optimiser."""

import torch
from torch import Tensor, nn

from topicidx.embedders.precision import mixed_precision
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training_inputs import Kind
from topicidx.embedders.training_plan import TrainingPlan

#: Iterations over which the published recipe's learning rate falls: so many that it stays nearly constant.
PUBLISHED_ITERATIONS = 10_000_000


class Learner(nn.Module):
    """The layers of a network behind inputs of one kind: inputs -> every head's topic logits (members, n, topics)."""

    def __init__(self, network: TopicNetwork, kind: Kind, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self.kind = kind
        self.device = device

    def features(self, inputs: Tensor) -> Tensor:
        """Pixels, the trunk's outputs, or features -> features (n, width); with gradients where layers below the head learn."""
        if self.kind == "features":
            return inputs
        learning = self.network.training and torch.is_grad_enabled()
        with mixed_precision(self.device):
            if self.kind == "pixels":
                with torch.set_grad_enabled(learning and self.network.trained == "all"):
                    inputs = self.network.trunk(inputs)
            with torch.set_grad_enabled(learning and self.network.trained != "head"):
                maps = self.network.tail(inputs)
        return self.network.pool(maps)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network.head.member_logits(self.features(inputs))
        return logits


def normalizes_batches(network: nn.Module) -> bool:
    """True where batch normalisation takes its statistics from batches, for which one picture is too few."""
    return any(isinstance(module, nn.BatchNorm2d) and module.training for module in network.modules())


def topic_loss(logits: Tensor, topics: Tensor) -> Tensor:
    """Sigmoid cross-entropy of logits (n, topics) and distributions (n, topics): summed over topics, averaged over n.

    The published learning rates belong to this scale, Caffe's; averaging over topics too would make them 500 times too small.
    """
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), topics, reduction="sum") / len(logits)


def make_optimizer(
    network: TopicNetwork, plan: TrainingPlan, rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser and its schedule over `steps` batches for the layers that learn.

    adamw: cosine decay to zero, a lower rate for pretrained layers. sgd: the published recipe, with momentum 0.9, twice
    the rate and no weight decay for biases, and polynomial decay of power 0.5 over 10M iterations.
    """
    groups = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        bias = name.endswith(".bias")
        base = rate if name.startswith("head.") else plan.pretrained_learning_rate
        groups.append(
            {
                "params": [parameter],
                "lr": base * (2 if bias and plan.optimizer == "sgd" else 1),
                "weight_decay": 0.0 if bias else plan.weight_decay,
            }
        )
    if plan.optimizer == "sgd":
        sgd = torch.optim.SGD(groups, momentum=0.9)
        return sgd, torch.optim.lr_scheduler.PolynomialLR(sgd, PUBLISHED_ITERATIONS, power=0.5)
    adamw = torch.optim.AdamW(groups)
    return adamw, torch.optim.lr_scheduler.CosineAnnealingLR(adamw, max(1, steps))
