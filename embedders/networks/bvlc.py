"""BVLC GoogLeNet, the network Caffe published, as a PyTorch module.

It differs from torchvision's `googlenet`: true 5x5 convolutions, biases instead of batch normalisation, two local response
normalisations, ceil-mode max pooling, and pictures in BGR order, 0..255, minus a mean colour.
Source: Szegedy et al., "Going Deeper with Convolutions" (2014), and Caffe's `bvlc_googlenet` model.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Output channels of each inception module: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTION_WIDTHS: dict[str, tuple[int, int, int, int, int, int]] = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}


class LocalResponseNorm(nn.Module):
    """Local response normalisation over channels: x / (1 + alpha / size * sum of squares of the near channels) ** 0.75.

    The sum over neighbouring channels is a 1x1 convolution with a banded matrix, and the power 0.75 is two square roots:
    on a CPU this takes a small part of the time of `torch.nn.LocalResponseNorm`.
    Shapes: float (n, channels, h, w) -> the same. The exponent is fixed at beta = 0.75, the value both layers of the
    network use.
    """

    band: Tensor
    one: Tensor

    def __init__(self, channels: int, size: int = 5, alpha: float = 1e-4) -> None:
        super().__init__()
        near = (torch.arange(channels)[:, None] - torch.arange(channels)[None, :]).abs() <= size // 2
        band = near.float().mul_(alpha / size).reshape(channels, channels, 1, 1)
        self.register_buffer("band", band, persistent=False)
        self.register_buffer("one", torch.ones(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        root = functional.conv2d(x * x, self.band, self.one).sqrt_()
        return x / (root * root.sqrt())


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the picture's size (up to its stride)."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)


class Inception(nn.Module):
    """Four parallel branches, joined over channels; float (n, inputs, h, w) -> (n, outputs, h, w)."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, three_reduce, three, five_reduce, five, pool = widths
        self.add_module("1x1", convolution(inputs, one, 1))
        self.add_module("3x3_reduce", convolution(inputs, three_reduce, 1))
        self.add_module("3x3", convolution(three_reduce, three, 3))
        self.add_module("5x5_reduce", convolution(inputs, five_reduce, 1))
        self.add_module("5x5", convolution(five_reduce, five, 5))
        self.add_module("pool_proj", convolution(inputs, pool, 1))
        self.outputs = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        layers = self._modules
        branches = (
            _relu(layers["1x1"], x),
            _relu(layers["3x3"], _relu(layers["3x3_reduce"], x)),
            _relu(layers["5x5"], _relu(layers["5x5_reduce"], x)),
            _relu(layers["pool_proj"], functional.max_pool2d(x, 3, stride=1, padding=1)),
        )
        return torch.cat(branches, dim=1)


def _relu(layer: nn.Module | None, x: Tensor) -> Tensor:
    assert layer is not None
    out: Tensor = layer(x)
    return functional.relu(out, inplace=True)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def build_bvlc() -> tuple[nn.Sequential, nn.Sequential]:
    """The network without its classifier, as (trunk, tail).

    The trunk is everything up to and including inception 4d (n, 3, h, w) -> (n, 528, h/16, w/16); the tail is 4e to 5b,
    -> (n, 1024, h/32, w/32). Weights are random.
    """
    inceptions = {}
    inputs = 192
    for name, widths in INCEPTION_WIDTHS.items():
        inceptions[name] = Inception(inputs, widths)
        inputs = inceptions[name].outputs
    trunk = OrderedDict(
        {
            "conv1/7x7_s2": convolution(3, 64, 7, stride=2),
            "conv1/relu_7x7": nn.ReLU(inplace=True),
            "pool1/3x3_s2": _pool(),
            "pool1/norm1": LocalResponseNorm(64),
            "conv2/3x3_reduce": convolution(64, 64, 1),
            "conv2/relu_3x3_reduce": nn.ReLU(inplace=True),
            "conv2/3x3": convolution(64, 192, 3),
            "conv2/relu_3x3": nn.ReLU(inplace=True),
            "conv2/norm2": LocalResponseNorm(192),
            "pool2/3x3_s2": _pool(),
            "inception_3a": inceptions["inception_3a"],
            "inception_3b": inceptions["inception_3b"],
            "pool3/3x3_s2": _pool(),
        }
        | {name: inceptions[name] for name in ("inception_4a", "inception_4b", "inception_4c", "inception_4d")}
    )
    tail = OrderedDict(
        {
            "inception_4e": inceptions["inception_4e"],
            "pool4/3x3_s2": _pool(),
            "inception_5a": inceptions["inception_5a"],
            "inception_5b": inceptions["inception_5b"],
        }
    )
    return nn.Sequential(trunk), nn.Sequential(tail)


def caffe_key(parameter: str) -> str:
    """The name Caffe's weights give a parameter of trunk or tail: `inception_3a.1x1.weight` -> `inception_3a/1x1.weight`."""
    layer, kind = parameter.rsplit(".", 1)
    return layer.replace(".", "/") + "." + kind
