"""Pictures per second of the two networks on preloaded pixels: as an encoder runs them, and built plainly from PyTorch.

python benchmarks/networks.py [--seconds 8]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder, ViewSettings
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.networks.bvlc import LocalResponseNorm
from topicidx.embedders.topic_network import TopicNetwork

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    seconds = parser.parse_args().seconds
    pictures = [np.random.default_rng(i).integers(0, 256, (224, 224, 3), dtype=np.uint8) for i in range(BATCH)]
    print(f"{torch.get_num_threads()} threads, batches of {BATCH}, 224 x 224, one run\n")
    print("| network | encoder (images/s) | plain PyTorch, float32 (images/s) | ratio |\n|---|---|---|---|")
    for arch, architecture in ARCHITECTURES.items():
        network = TopicNetwork(architecture, 500).eval()
        encoder = GoogLeNetImageEncoder(network, arch, ViewSettings("whole", 256, 224))
        plain = with_pytorch_lrn(network)
        pixels = architecture.normalize(torch.from_numpy(np.stack(pictures))).contiguous()
        fast = rate(lambda encoder=encoder: encoder.encode(pictures), seconds)  # type: ignore[misc]
        with torch.inference_mode():
            slow = rate(lambda plain=plain, pixels=pixels: plain(pixels), seconds)  # type: ignore[misc]
        print(f"| {arch} | {fast:.0f} | {slow:.0f} | {fast / slow:.1f} |")


def with_pytorch_lrn(network: nn.Module) -> nn.Module:
    """The network with PyTorch's own local response normalisation."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, LocalResponseNorm):
                setattr(parent, name, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0))
    return network


def rate(encode: Callable[[], object], seconds: float) -> float:
    """Pictures per second over at least `seconds`, after a warm-up."""
    for _ in range(2):
        encode()
    began, batches = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        encode()
        batches += 1
    return batches * BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
