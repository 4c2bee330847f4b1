"""What helps words to find pictures: recipes side by side, chosen on pictures kept back from training.

DATA holds train.csv and test.csv with their pictures. With --part validation (the default) a recipe learns from about
four fifths of train.csv and is asked about the rest: `split_by_key`, by a hash of each picture's key. With --part test it
learns from all of train.csv and is asked about test.csv: for the recipe that was chosen, once, and for baselines. Words,
pairs and measures are those of `topicidx evaluate --by words`.

The frozen layers see each picture once for each size; what they see is kept in --cache. Rows whose names begin with
`default-` are the default recipe but for one thing, `linear-` rows the reference's linear layer but for one thing.

    python benchmarks/quality.py DATA --weights bvlc_googlenet.safetensors --row default [--row linear ...]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders import caption_words
from topicidx.embedders.caption_words import CaptionWords
from topicidx.embedders.googlenet_encoder import FeatureExtractor, GoogLeNetImageEncoder, ViewSettings
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.networks.architectures import ARCHITECTURES, load_initial_weights
from topicidx.embedders.pictures import open_picture
from topicidx.embedders.prefetch import default_threads, map_ahead
from topicidx.embedders.topic_network import FEATURES, HeadSettings, TopicNetwork
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.embedders.training import split_by_key
from topicidx.embedders.training_inputs import Batches, Kind
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.embedders.training_run import Progress, TrainingRun
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.evaluation import Evaluation, Picture, Pictures, evaluate_words
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import open_source
from topicidx.post import Post
from topicidx.settings import LdaSettings, TrainingSettings

#: Pictures of train.csv that are kept back, of 5,713.
KEPT_BACK = 0.21
CPU = torch.device("cpu")
Float32 = NDArray[np.float32]
Places = NDArray[np.int64]

#: The reference's linear layer on the last layer's features of the whole picture.
LINEAR: dict[str, Any] = {
    "features": "last", "root": False, "hidden": 0, "members": 1, "dropout": 0.4, "word_loss": 0.0, "calibrate": False,
    "sizes": (224,), "mirror": False,
}  # fmt: skip
#: What calibration may choose from, where a row does not let it choose from everything.
CALIBRATION: dict[str, dict[str, Any]] = {
    "default-no-prior": {"MOST_PRIOR": 0.0},
    "default-no-background": {"BACKGROUND_SHARES": (0.0,)},
}
#: Rows: what of LdaSettings and of TrainingSettings differs from the defaults.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "published": ({"alpha": 1 / 500, "eta": 1 / 500}, LINEAR),
    "linear": ({}, LINEAR),
    "linear-mirror": ({}, LINEAR | {"mirror": True}),
    "linear-320": ({}, LINEAR | {"sizes": (320,)}),
    "linear-sizes": ({}, LINEAR | {"sizes": (224, 320)}),
    "linear-root": ({}, LINEAR | {"root": True}),
    "linear-several": ({}, LINEAR | {"features": "several"}),
    "linear-word-loss": ({}, LINEAR | {"word_loss": 1.0}),
    "linear-dropout": ({}, LINEAR | {"dropout": 0.6}),
    "linear-weight-decay": ({}, LINEAR | {"weight_decay": 0.1}),
    "linear-hidden": ({}, LINEAR | {"hidden": 1_024}),
    "linear-members": ({}, LINEAR | {"hidden": 1_024, "members": 3}),
    "linear-calibrated": ({}, LINEAR | {"calibrate": True}),
    "default": ({}, {}),
    "default-third": ({"chunksize": 1_505, "passes": 10, "decay": 0.5, "offset": 1.0}, {}),
    "default-mirror": ({}, {"mirror": True}),
    "default-320": ({}, {"sizes": (320,)}),
    "default-sizes": ({}, {"sizes": (224, 320)}),
    "default-last": ({}, {"features": "last"}),
    "default-no-root": ({}, {"root": False}),
    "default-no-word-loss": ({}, {"word_loss": 0.0}),
    "default-one-member": ({}, {"members": 1}),
    "default-uncalibrated": ({}, {"calibrate": False}),
    "default-no-prior": ({}, {}),
    "default-no-background": ({}, {}),
    "default-288": ({}, {"sizes": (288,)}),
    "default-alpha-.05": ({"alpha": 0.05}, {}),
    "default-alpha-.2": ({"alpha": 0.2}, {}),
    "default-eta-.05": ({"eta": 0.05}, {}),
    "default-30-passes": ({"passes": 30}, {}),
    "default-chunks-of-500": ({"chunksize": 500, "passes": 10}, {}),
    "default-rarer-words": ({"min_documents": 4}, {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="BVLC GoogLeNet, .safetensors")
    parser.add_argument("--row", action="append", choices=list(ROWS), help="may be given many times; default: all")
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "topicidx-quality")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments.data, arguments.weights, arguments.cache, arguments.part, arguments.seed)
    print(f"learning from {len(bench.learned)} pictures, asking for {len(bench.asked)} others\n")
    print(
        "| recipe | mean: 1 word mAP | P@5 | 2 words mAP | P@5 | all: 1 word mAP | P@5 | 2 words mAP | P@5 "
        "| observed / lift below .25 | .25-.5 | .5-1 | 1-2 | 2-4 | 4-8 | 8-16 | 16 and more | minutes |\n"
        + "|---" * 18
        + "|"
    )
    for name in arguments.row or ROWS:
        with patch.multiple(caption_words, **CALIBRATION[name]) if name in CALIBRATION else nullcontext():
            print_row(name, bench, *ROWS[name])


def print_row(name: str, bench: "Bench", lda: dict[str, Any], training: dict[str, Any]) -> None:
    began = time.perf_counter()
    found = bench.evaluate(LdaSettings(**lda), TrainingSettings(arch="bvlc", init=str(bench.weights), **training))
    cells = [
        f"{queries.estimates[method][measure].mean:.3f}"
        for method in found.methods
        for queries in found.sets
        for measure in ("AP", "P@5")
    ]
    cells += ["-" if each.ratio is None else f"{each.ratio:.2f}" for each in found.calibration]
    print(f"| {name} | {' | '.join(cells)} | {(time.perf_counter() - began) / 60:.1f} |", flush=True)


@dataclass
class Bench:
    """The pictures of a part, and what was computed of them."""

    data: Path
    weights: Path
    cache: Path
    part: str
    seed: int
    learned: list[Post] = field(init=False)
    asked: list[Post] = field(init=False)

    def __post_init__(self) -> None:
        train = posts_of(self.data / "train.csv")
        if self.part == "test":
            self.learned, self.asked = train, posts_of(self.data / "test.csv")
            return
        learned, asked = split_by_key([post.image for post in train], KEPT_BACK)
        self.learned, self.asked = [train[place] for place in learned], [train[place] for place in asked]

    def evaluate(self, lda: LdaSettings, training: TrainingSettings) -> Evaluation:
        """What a recipe finds among the pictures it did not learn from."""
        text, theta, words = text_side(tuple("\n".join(post.captions) for post in self.learned), lda, self.seed)
        plan = TrainingPlan.adapted(training, round(0.9 * len(self.learned)))
        torch.manual_seed(self.seed)
        architecture = ARCHITECTURES["bvlc"]
        network = TopicNetwork(architecture, text.dimensions, dropout=plan.dropout, head=plan.head)
        load_initial_weights(architecture, training.init, network.trunk, network.tail)
        network.freeze("head")
        learning, validating = split_by_key([post.image for post in self.learned], training.validation_share)
        run = TrainingRun(
            network, Kept(self.features(plan, self.learned)), theta,
            CaptionWords(words, text.topic_words, CPU), plan, CPU, self.seed, Progress(),
        )  # fmt: skip
        _, average = run.fit(learning, validating)
        views = ViewSettings(plan.view, plan.resize, plan.crop, plan.sizes, plan.mirror)
        print(
            f"calibrated: background {network.head.background.sum():.2f}, prior {network.head.prior.sum():.2f}",
            file=sys.stderr,
        )
        encoder = GoogLeNetImageEncoder(network, "bvlc", views, device="cpu")
        order = sorted(range(len(self.asked)), key=lambda place: point_id(self.asked[place].image))
        vectors = encoder.distributions(torch.from_numpy(self.features(plan, self.asked)[order]))
        pictures = [self.asked[place] for place in order]
        with tempfile.TemporaryDirectory() as folder:
            space = write_topic_space(Path(folder) / "space", text, encoder, average_picture=average)
            return ask(space, Path(folder) / "store", pictures, vectors, self.seed)

    def features(self, plan: TrainingPlan, posts: Sequence[Post]) -> Float32:
        """What the frozen layers see of `posts`, averaged over a plan's views: float32 (n, width)."""
        seen = [
            kept_features(self.weights, self.cache, size, mirrored, tuple(post.path for post in posts))
            for size in plan.sizes
            for mirrored in ((False, True) if plan.mirror else (False,))
        ]
        mean: Float32 = np.mean(seen, axis=0, dtype=np.float32)
        return mean if plan.features == "several" else mean[:, -FEATURES:]


class Kept:
    """Features in memory, as a training run takes its inputs."""

    kind: Kind = "features"

    def __init__(self, features: Float32) -> None:
        self._features = torch.from_numpy(features)

    def batches(self, wanted: Sequence[Places], epoch: int) -> Batches:
        del epoch
        return self.evaluation_batches(wanted)

    def evaluation_batches(self, wanted: Sequence[Places]) -> Batches:
        for places in wanted:
            yield places, self._features[torch.from_numpy(places)]

    def blank(self, count: int) -> Tensor:
        return torch.zeros(count, self._features.shape[1])


def posts_of(manifest: Path) -> list[Post]:
    return [post for post in open_source(manifest).posts() if post.captions]


@cache
def text_side(documents: tuple[str, ...], lda: LdaSettings, seed: int) -> tuple[LdaTextEncoder, Float32, Any]:
    text = LdaTextEncoder.train(documents, lda, seed=seed)
    return text, text.encode(documents), [text.words_of(document) for document in documents]


@cache
def kept_features(weights: Path, folder: Path, size: int, mirrored: bool, paths: tuple[Path, ...]) -> Float32:
    """Features of several layers of pictures at one size, from a file for each size, where those missing are added."""
    file = folder / f"bvlc-{size}{'-mirrored' if mirrored else ''}.npz"
    known: dict[str, Float32] = {}
    if file.is_file():
        with np.load(file) as stored:
            known = dict(zip(stored["names"].tolist(), stored["features"], strict=True))
    missing = [path for path in paths if path.name not in known]
    if missing:
        views = ViewSettings("whole", size, size)
        network = TopicNetwork(ARCHITECTURES["bvlc"], 2, head=HeadSettings("several"))
        load_initial_weights(ARCHITECTURES["bvlc"], str(weights), network.trunk, network.tail)
        extract = FeatureExtractor(network, ARCHITECTURES["bvlc"], views, CPU)
        chunk = extract.chunk or 8
        pictures = map_ahead(
            lambda path: views.pixels(open_picture(path, at_least=size).image),
            missing, threads=default_threads(), ahead=64,
        )  # fmt: skip
        for begin in range(0, len(missing), chunk):
            names = [path.name for path in missing[begin : begin + chunk]]
            pixels = np.stack([next(pictures) for _ in names])
            rows = extract(np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels).numpy().astype(np.float16)
            known.update(zip(names, rows, strict=True))
        np.savez(file, names=np.array(list(known)), features=np.stack(list(known.values())))
    return np.stack([known[path.name] for path in paths]).astype(np.float32)


def ask(space: TopicSpace, store: Path, posts: Sequence[Post], vectors: Float32, seed: int) -> Evaluation:
    with EmbeddedStore.writer(store, "photos", space.vector_space, space.dimensions) as writer:
        writer.upsert([point_id(post.image) for post in posts], vectors, [{"image": post.image} for post in posts])
        writer.publish()
    pictures = tuple(Picture(point_id(post.image), post.image, post.captions) for post in posts)
    with EmbeddedStore.open(store) as opened:
        return evaluate_words(Index(space, opened), Pictures(pictures, vectors), seed=seed)


if __name__ == "__main__":
    main()
