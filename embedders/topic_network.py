"""TopicNetwork: a GoogLeNet whose last layer predicts topics, in the parts that are frozen or trained."""

from typing import Literal, Self

import torch
from torch import Tensor, nn

from topicidx.embedders.networks.architectures import Architecture

Layers = Literal["all", "tail", "head"]

#: Width of the pooled features of both architectures.
FEATURES = 1024


class Head(nn.Module):
    """Standardised features, dropout, one linear layer: float (n, 1024) -> topic logits (n, topics)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, topics: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(FEATURES, topics)
        nn.init.normal_(self.linear.weight, std=0.003)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout((features.float() - self.mean) / self.deviation))
        return logits


class TopicNetwork(nn.Module):
    """trunk (up to inception 4d), tail (4e to 5b), average pooling, head.

    Frozen layers stay in eval mode whatever `train()` says: their batch normalisation must not move.
    """

    def __init__(self, architecture: Architecture, topics: int, *, dropout: float = 0.4) -> None:
        super().__init__()
        self.trunk: nn.Sequential
        self.tail: nn.Sequential
        self.trunk, self.tail = architecture.build()
        self.head = Head(topics, dropout)
        self.trained: Layers = "all"

    def freeze(self, trained: Layers) -> None:
        """Let only `trained` learn: "all", "tail" (with the head), or "head"."""
        self.trained = trained
        self.trunk.requires_grad_(trained == "all")
        self.tail.requires_grad_(trained != "head")
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.trained != "all":
            self.trunk.eval()
        if self.trained == "head":
            self.tail.eval()
        return self

    def pool(self, maps: Tensor) -> Tensor:
        """Feature maps of the tail (n, 1024, h, w) -> float32 features (n, 1024): their mean over the picture."""
        return maps.float().mean((2, 3))

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, h, w) -> float32 features (n, 1024)."""
        return self.pool(self.tail(self.trunk(pixels)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, h, w) -> topic logits (n, topics)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


def topic_distribution(logits: Tensor) -> Tensor:
    """Topic logits (n, topics) -> theta (n, topics): sigmoids divided by their sum."""
    # exp(log sigmoid) normalised: the same quotient, but it survives activations that underflow.
    return torch.softmax(nn.functional.logsigmoid(logits.float()), dim=1)
