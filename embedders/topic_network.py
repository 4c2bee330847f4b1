"""TopicNetwork: a GoogLeNet whose last layer predicts topics, in the parts that are frozen or trained."""

from dataclasses import dataclass
from itertools import chain
from typing import Literal, Self

import torch
from torch import Tensor, nn

from topicidx.embedders.networks.architectures import Architecture

Layers = Literal["all", "tail", "head"]

#: Which layers' pooled outputs the head sees: inception 5b's, as published, or those of `TAPPED`.
Features = Literal["last", "several"]

#: Width of the pooled features of inception 5b, in both architectures.
FEATURES = 1024
#: Inception modules of which several features are made, and how wide their outputs are in both architectures: the earlier
#: ones tell of colours and textures what the last has forgotten.
TAPPED = {"3b": 480, "4b": 512, "4d": 528, "4e": 832, "5a": 832, "5b": FEATURES}


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """What comes after the pooled features.

    The published head is one linear layer (members=1, hidden=0). Otherwise `members` heads, each with `hidden` ReLU units,
    learn from different random starts, and their logits are averaged. root: features are square-rooted first, which
    brings the few large ones, of which ReLU networks have many, nearer to the rest. normalize: vectors are topic
    distributions; otherwise each number is one from 0 to 1 by itself, as text encoders without topics give.
    """

    features: Features = "last"
    hidden: int = 0
    members: int = 1
    root: bool = False
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.features not in {"last", "several"} or self.hidden < 0 or self.members < 1:
            raise ValueError(f"no such head: {self}")
        if self.members > 1 and not self.hidden:
            raise ValueError("the average of several linear heads is one linear head; give them hidden units")

    @property
    def width(self) -> int:
        """Length of a picture's features."""
        return sum(TAPPED.values()) if self.features == "several" else FEATURES


class Head(nn.Module):
    """Standardised features, dropout, one linear layer: float (n, width) -> topic logits (n, topics)."""

    mean: Tensor
    deviation: Tensor
    #: What every picture has of each topic, whatever it shows, float (topics,): taken away from topic distributions.
    background: Tensor
    #: What every picture is given of each topic, for what was overlooked in it, float (topics,).
    prior: Tensor
    #: The layers whose outputs are topic logits.
    last_layers: list[nn.Linear]

    def __init__(self, topics: int, dropout: float, settings: HeadSettings | None = None) -> None:
        super().__init__()
        settings = settings or HeadSettings()
        self.topics = topics
        self.root = settings.root
        self.normalize = settings.normalize
        self.register_buffer("mean", torch.zeros(settings.width))
        self.register_buffer("deviation", torch.ones(settings.width))
        self.register_buffer("background", torch.zeros(topics))
        self.register_buffer("prior", torch.zeros(topics))
        self.dropout = nn.Dropout(dropout)
        self._add_layers(settings)

    def _add_layers(self, settings: HeadSettings) -> None:
        self.linear = _last_layer(settings.width, self.topics)
        self.last_layers = [self.linear]

    def standardized(self, features: Tensor) -> Tensor:
        """Features (n, width) as the layers see them."""
        return (self.spread(features) - self.mean) / self.deviation

    def spread(self, features: Tensor) -> Tensor:
        """Features (n, width) before they are brought to mean 0 and deviation 1."""
        return features.float().sqrt() if self.root else features.float()

    def member_logits(self, features: Tensor) -> Tensor:
        """Features (n, width) -> every member's topic logits (members, n, topics)."""
        logits: Tensor = self.linear(self.dropout(self.standardized(features)))
        return logits[None]

    def forward(self, features: Tensor) -> Tensor:
        return self.member_logits(features).mean(dim=0)

    def distribution(self, features: Tensor) -> Tensor:
        """Features (n, width) -> calibrated theta, float32 (n, topics); sigmoids alone where they are not normalised."""
        if not self.normalize:
            return torch.sigmoid(self(features).float())
        return smoothed(without_background(topic_distribution(self(features)), self.background), self.prior)


class DeepHead(Head):
    """Several heads with a hidden layer each, their logits averaged: float (n, width) -> topic logits (n, topics)."""

    def _add_layers(self, settings: HeadSettings) -> None:
        self.members = nn.ModuleList()
        self.last_layers = []
        for _ in range(settings.members):
            last = _last_layer(settings.hidden, self.topics)
            layers = (
                nn.Linear(settings.width, settings.hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(self.dropout.p),
                last,
            )
            self.members.append(nn.Sequential(*layers))
            self.last_layers.append(last)

    def member_logits(self, features: Tensor) -> Tensor:
        inputs = self.standardized(features)
        return torch.stack([member(self.dropout(inputs)) for member in self.members])


def _last_layer(inputs: int, topics: int) -> nn.Linear:
    layer = nn.Linear(inputs, topics)
    nn.init.normal_(layer.weight, std=0.003)
    return layer


class TopicNetwork(nn.Module):
    """trunk (up to inception 4d), tail (4e to 5b), average pooling, head.

    Frozen layers stay in eval mode whatever `train()` says: their batch normalisation must not move.
    """

    def __init__(
        self, architecture: Architecture, topics: int, *, dropout: float = 0.4, head: HeadSettings | None = None
    ) -> None:
        super().__init__()
        self.head_settings = head or HeadSettings()
        self.trunk: nn.Sequential
        self.tail: nn.Sequential
        self.trunk, self.tail = architecture.build()
        kind = DeepHead if self.head_settings.hidden else Head
        self.head: Head = kind(topics, dropout, self.head_settings)
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
        """Feature maps (n, channels, h, w) -> float32 (n, channels): their mean over the picture."""
        return maps.float().mean((2, 3))

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, h, w) -> float32 features (n, width): what the head sees."""
        if self.head_settings.features == "last":
            return self.pool(self.tail(self.trunk(pixels)))
        pooled, maps = [], pixels
        for name, layer in chain(self.trunk.named_children(), self.tail.named_children()):
            maps = layer(maps)
            if name[-2:] in TAPPED:
                pooled.append(self.pool(maps))
        return torch.cat(pooled, dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, h, w) -> topic logits (n, topics)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


def topic_distribution(logits: Tensor) -> Tensor:
    """Topic logits (n, topics) -> theta (n, topics): sigmoids divided by their sum."""
    # exp(log sigmoid) normalised: the same quotient, but it survives activations that underflow.
    return torch.softmax(nn.functional.logsigmoid(logits.float()), dim=1)


def without_background(theta: Tensor, background: Tensor) -> Tensor:
    """What of theta (n, topics) lies above `background` (topics,), which sums to less than 1, divided by its sum.

    A network that is unsure gives every picture a little of every topic, and so all words more than they deserve.
    """
    if not background.any():
        return theta
    above = (theta - background).clamp(min=0)
    return above / above.sum(dim=-1, keepdim=True)


def smoothed(theta: Tensor, prior: Tensor) -> Tensor:
    """theta (n, topics) mixed with `prior` (topics,), whose sum is its share: no word is then thought impossible.

    Linear smoothing, as of language models (Jelinek and Mercer, 1980). Towards the average picture by a share s, every lift
    becomes (1 - s) lift + s.
    """
    if not prior.any():
        return theta
    return (1 - prior.sum()) * theta + prior
