"""Engines for the frozen network on a CPU, PyTorch as topicidx runs it, torch.compile and OpenVINO: images/s and start-up.

    python benchmarks/engines.py [--arch googlenet] [--pictures 64] [--rounds 7]

Features of preloaded 224 x 224 pixels, engines in turns, the median of the rounds. From how many pictures on an engine is 15 %
faster follows from its start-up: converting, compiling, and the first batch.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from machine import machine, table, timed
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.googlenet_encoder import FeatureExtractor, ViewSettings
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.openvino_features import OpenVinoFeatures
from topicidx.embedders.precision import CPU_CHUNK
from topicidx.embedders.topic_network import TopicNetwork

SIDE, CHUNK, GAIN = 224, CPU_CHUNK, 1.15
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # start-up is that of a machine that never did this before

Engine = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="googlenet")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.arch}\n")
    warnings.simplefilter("ignore")
    architecture = ARCHITECTURES[arguments.arch]
    network = TopicNetwork(architecture, 500).eval()
    features = FeatureExtractor(network, architecture, ViewSettings("whole", 256, SIDE), torch.device("cpu")).of_view
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (arguments.pictures, SIDE, SIDE, 3), dtype=np.uint8)
    makers = {
        "PyTorch, as topicidx runs it": lambda: in_chunks(features, pixels),
        "torch.compile": lambda: in_chunks(torch.compile(features), pixels),
        "OpenVINO, a picture after the other": lambda: partial(OpenVinoFeatures(features, SIDE, "LATENCY"), pixels),
        "OpenVINO, a picture a core": lambda: partial(OpenVinoFeatures(features, SIDE), pixels),
    }
    engines: dict[str, Engine] = {}
    began: dict[str, float] = {}
    for name, make in makers.items():
        start = time.perf_counter()
        engines[name] = make()
        engines[name]()
        began[name] = time.perf_counter() - start
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(arguments.rounds):
        for name, engine in engines.items():
            seconds[name].append(timed(engine))
    each = {name: float(np.median(taken)) / arguments.pictures for name, taken in seconds.items()}
    first, *_ = engines
    rows = []
    for name in engines:
        more = began[name] - began[first]
        spared = each[first] - GAIN * each[name]
        worth = "" if name == first else "never" if spared <= 0 else f"{max(GAIN * more / spared, 0):,.0f}"
        rows.append([name, f"{1 / each[name]:.1f}", f"{each[first] / each[name]:.2f}", f"{began[name]:.1f}", worth])
    print(table(("engine", "images/s", "times", "start-up (s)", "15 % faster from (pictures)"), rows), flush=True)


def in_chunks(features: Callable[[Tensor], Tensor], pixels: NDArray[np.uint8]) -> Engine:
    """Chunk by chunk, by PyTorch."""

    def run() -> None:
        with torch.inference_mode():
            for begin in range(0, len(pixels), CHUNK):
                features(torch.from_numpy(pixels[begin : begin + CHUNK]))

    return run


if __name__ == "__main__":
    main()
