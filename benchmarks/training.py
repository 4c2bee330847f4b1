"""Training on a CPU: everything learned as PyTorch does it plainly, a frozen trunk, and one that sees each picture once.

The same pictures, first weights, batches and seconds for each; validation loss after them, with the head's start counted
in. images/s are those of the batches that are learned from; for the cached trunk without and with the pass that fills the
cache, which comes once whatever the number of epochs.

    python benchmarks/training.py MANIFEST --weights bvlc_googlenet.safetensors [--seconds 180] [--pictures 1500]
"""

import argparse
import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from networks import with_pytorch_lrn

from topicidx.embedders import googlenet_encoder, precision, training_inputs
from topicidx.embedders.allocator import keep_freed_memory
from topicidx.embedders.distributed import ALONE
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.embedders.stopping import StopRequest
from topicidx.embedders.topic_network import TopicNetwork
from topicidx.embedders.training import split_by_key
from topicidx.embedders.training_inputs import Kept, make_inputs
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.training_run import Progress, TrainingRun
from topicidx.embedders.view_reader import ViewReader
from topicidx.indexer.sources import open_source
from topicidx.settings import LdaSettings, TrainingSettings

CPU = torch.device("cpu")
LINEAR: dict[str, Any] = {
    "hidden": 0,
    "members": 1,
    "features": "last",
    "root": False,
    "word_loss": 0.0,
    "calibrate": False,
}


class EnoughError(Exception):
    """The seconds are over."""


@dataclass(frozen=True)
class Way:
    """A way to train: settings, and whether in float32, with PyTorch's own layers and layout of memory."""

    name: str
    settings: dict[str, Any]
    plain: bool = False


WAYS = (
    Way("everything, plain PyTorch in float32", {"layers": "all"}, plain=True),
    Way("everything, mixed precision", {"layers": "all"}),
    Way("frozen trunk", {"layers": "tail", "cache_gigabytes": 0.0}),
    Way("frozen trunk, cached", {"layers": "tail", "views": 4}),
    Way(
        "head on features (the default)",
        {"layers": "head", "features": "several", "root": True, "hidden": 1_024, "members": 3},
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="BVLC GoogLeNet, .safetensors")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--pictures", type=int, default=1_500)
    arguments = parser.parse_args()
    posts = [post for post in open_source(arguments.manifest).posts() if post.captions][: arguments.pictures]
    documents = ["\n".join(post.captions) for post in posts]
    topics = LdaTextEncoder.train(documents, LdaSettings(num_topics=200), seed=0).encode(documents)
    print(f"{len(posts)} pictures, {torch.get_num_threads()} threads, {arguments.seconds:.0f} s each\n")
    print("| | images/s | with the cache's pass | times plain | epochs | validation loss |\n|---|---|---|---|---|---|")
    base = 0.0
    for way in WAYS:
        asked = (
            LINEAR | way.settings | {"arch": "bvlc", "init": str(arguments.weights), "head_epochs": 1, "epochs": 1_000}
        )
        rate, whole, epochs, loss = measure(way, TrainingSettings(**asked), posts, topics, arguments.seconds)
        base = base or rate
        print(f"| {way.name} | {rate:.1f} | {whole:.1f} | {rate / base:.1f} | {epochs:.1f} | {loss:.3f} |", flush=True)


def measure(
    way: Way, settings: TrainingSettings, posts: Any, topics: Any, seconds: float
) -> tuple[float, float, float, float]:
    """Images/s of learning, the same with what comes before it, epochs, and validation loss."""
    training, validation = split_by_key([post.image for post in posts], 0.1)
    plan = TrainingPlan.adapted(settings, len(training))
    torch.manual_seed(0)
    architecture = ARCHITECTURES["bvlc"]
    network = TopicNetwork(architecture, topics.shape[1], dropout=plan.dropout, head=plan.head)
    load_initial_weights(architecture, settings.init, network.trunk, network.tail)
    if way.plain:
        with_pytorch_lrn(network)
    else:
        keep_freed_memory()  # as every training of topicidx does; the plain one comes first
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.freeze(plan.layers)
    in_float32 = [patch.object(module, "inference_dtype", lambda device: torch.float32)
                  for module in (precision, googlenet_encoder, training_inputs)] if way.plain else []  # fmt: skip
    for each in in_float32:
        each.start()
    learned: list[int] = []
    starts: list[float] = []
    began = time.perf_counter()

    def batch(epoch: int, epochs: int, done: int, total: int, loss: float) -> None:
        del epochs, loss
        learned.append((epoch - 1) * total + done)
        starts.append(time.perf_counter())
        if time.perf_counter() - began > seconds:
            raise EnoughError

    with tempfile.TemporaryDirectory() as folder:
        kept = Kept(
            Path(folder), int(settings.cache_gigabytes * 1e9), False, ALONE, StopRequest(), lambda done, total: None
        )
        reader = ViewReader([post.path for post in posts], plan, seed=0)
        inputs = make_inputs(reader, network, architecture, training, validation, kept, CPU)
        run = TrainingRun(network, inputs, topics, None, plan, CPU, 0, Progress(batch=batch))
        with contextlib.suppress(EnoughError):
            run.fit(training, validation)
        ended = time.perf_counter()
        loss = run._validate(validation)
        if hasattr(inputs, "close"):
            inputs.close()
    for each in in_float32:
        each.stop()
    # The first batch also waits for what comes before it, and the head's own epoch is not of the layers in question.
    after = int(np.searchsorted(learned, len(training), side="right")) if plan.layers == "tail" else 0
    after = after if after < len(learned) - 2 else 0
    rate = (learned[-1] - learned[after]) / max(1e-9, starts[-1] - starts[after])
    return rate, learned[-1] / (ended - began), learned[-1] / len(training), loss


if __name__ == "__main__":
    main()
