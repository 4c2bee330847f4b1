"""Training and inference in images/s, data loading alone, and how near the network is to what the device computes at most.

Runs on a GPU where there is one, and on the CPU otherwise, and says which. The roofline: floating point operations of the
network, counted by PyTorch, over the seconds they take, against those of the largest matrix product that was measured here
in the same number format.

    python benchmarks/gpu.py [MANIFEST] [--seconds 5] [--batch 128] [--compile]
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from topicidx.embedders.allocator import keep_freed_memory
from topicidx.embedders.googlenet_encoder import FeatureExtractor, ViewSettings
from topicidx.embedders.learner import Learner, make_optimizer, topic_loss
from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.precision import inference_dtype
from topicidx.embedders.topic_network import Layers, TopicNetwork
from topicidx.embedders.training_inputs import FrozenTrunk, PictureInputs
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.view_reader import ViewReader
from topicidx.indexer.sources import open_source
from topicidx.settings import TrainingSettings

TOPICS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, nargs="?", help="pictures to load; default: noise of 300 x 300")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=0, help="default: 128 on a GPU, 16 on a CPU")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    batch = arguments.batch or (128 if cuda else 16)
    named = (
        torch.cuda.get_device_name() if cuda else f"no GPU here: the CPU, {platform.processor() or platform.machine()}"
    )
    print(f"{named}; PyTorch {torch.__version__}, {inference_dtype(device)}, batches of {batch}\n")
    peak = roofline(device, arguments.seconds)
    keep_freed_memory()  # as every training of topicidx does
    print(f"largest matrix product: {peak / 1e12:.2f} TFLOP/s\n")
    print("| | images/s | TFLOP/s | of the largest product |\n|---|---|---|---|")
    for arch in ARCHITECTURES:
        inference(arch, device, batch, arguments.seconds, peak)
        for layers in ("head", "tail", "all"):
            training(arch, layers, device, batch, arguments.seconds, peak, compiled=False)  # type: ignore[arg-type]
            if arguments.compile:
                training(arch, layers, device, batch, arguments.seconds, peak, compiled=True)  # type: ignore[arg-type]
    loading(arguments.manifest, device, batch, arguments.seconds)


def roofline(device: torch.device, seconds: float) -> float:
    """FLOP/s of a product of two large square matrices."""
    size = 8_192 if device.type == "cuda" else 2_048
    left, right = (torch.randn(size, size, device=device, dtype=inference_dtype(device)) for _ in range(2))
    return 2 * size**3 * rate(lambda: left @ right, device, seconds)


def inference(arch: str, device: torch.device, batch: int, seconds: float, peak: float) -> None:
    network = TopicNetwork(ARCHITECTURES[arch], TOPICS).eval()
    extract = FeatureExtractor(network, ARCHITECTURES[arch], ViewSettings("whole", 256, 224), device)
    size = extract.chunk or batch
    pixels = np.random.default_rng(0).integers(0, 256, (size, 224, 224, 3), dtype=np.uint8)
    say(f"{arch}, inference", lambda: extract(pixels), size, device, seconds, peak)


def training(
    arch: str, layers: Layers, device: torch.device, batch: int, seconds: float, peak: float, *, compiled: bool
) -> None:
    """Steps on inputs that are in the device's memory: pixels where the trunk learns, its outputs or features otherwise."""
    plan = TrainingPlan.adapted(TrainingSettings(arch=arch, layers=layers), 100_000)  # type: ignore[arg-type]
    architecture = ARCHITECTURES[arch]
    network = TopicNetwork(architecture, TOPICS, dropout=plan.dropout, head=plan.head)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.freeze(layers)
    network.train()
    pixels = torch.randint(0, 256, (batch, 224, 224, 3), dtype=torch.uint8)
    if layers == "head":
        kind, inputs = "features", torch.rand(batch, plan.head.width, device=device)
    elif layers == "tail":
        kind, inputs = "maps", FrozenTrunk(network, architecture, device)(pixels).clone().float()
    else:
        kind, inputs = "pixels", architecture.normalize(pixels.to(device))
    learner = Learner(network, kind, device)  # type: ignore[arg-type]
    step = torch.compile(learner) if compiled else learner
    optimizer, _ = make_optimizer(network, plan, plan.learning_rate, 1_000)
    targets = torch.full((batch, TOPICS), 1 / TOPICS, device=device)

    def learn() -> None:
        optimizer.zero_grad()
        torch.stack([topic_loss(logits, targets) for logits in step(inputs)]).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    name = f"{arch}, training {'the head' if layers == 'head' else layers}{', compiled' if compiled else ''}"
    say(name, learn, batch, device, seconds, peak)


def loading(manifest: Path | None, device: torch.device, batch: int, seconds: float) -> None:
    """Decoding, resizing, copying and cutting random crops alone."""
    plan = TrainingPlan.adapted(TrainingSettings(init="random", resize=256), 1_000)
    with tempfile.TemporaryDirectory() as folder:
        paths = (
            noise(Path(folder)) if manifest is None else [post.path for post in open_source(manifest).posts()][:2_000]
        )
        reader = ViewReader(paths, plan, seed=0)
        for on_device in (False, True):
            inputs = PictureInputs(reader, ARCHITECTURES["googlenet"], device, cut_on_device=on_device)
            places = np.random.default_rng(0).permutation(len(paths))
            wanted = [places[begin : begin + batch] for begin in range(0, len(places), batch)]
            began, pictures = time.perf_counter(), 0
            while time.perf_counter() - began < seconds:
                for found, _ in inputs.batches(wanted, epoch=0):
                    pictures += len(found)
                    if time.perf_counter() - began > seconds:
                        break
            synchronize(device)
            where = "on the device" if on_device else "by the threads that decode"
            print(
                f"| loading alone, crops cut {where} | {pictures / (time.perf_counter() - began):.0f} | | |", flush=True
            )


def noise(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    for number in range(256):
        coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).resize((300, 300))
        coarse.save(folder / f"{number}.jpg")
    return sorted(folder.iterdir())


def say(name: str, run: Callable[[], Any], pictures: int, device: torch.device, seconds: float, peak: float) -> None:
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    runs = rate(run, device, seconds)
    flops = counter.get_total_flops() * runs
    print(f"| {name} | {runs * pictures:.0f} | {flops / 1e12:.2f} | {flops / peak:.0%} |", flush=True)


def rate(run: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Runs per second, after a warm-up."""
    for _ in range(3):
        run()
    synchronize(device)
    began, runs = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        run()
        runs += 1
        if runs % 10 == 0:
            synchronize(device)
    synchronize(device)
    return runs / (time.perf_counter() - began)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
