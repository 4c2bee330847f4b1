"""Topics from generated posts: gensim, tomotopy and topicidx side by side, on the same bags of words, in the same run.

Wall time and documents/s of learning; peak memory of the process and its children (shared pages counted once); perplexity of
posts that were not learned from, by document completion with one evaluator for all; and how much of the generator's topics
was found. With --whole, `topicidx train --only text` as well, from the CSV file to the topic space.

    pip install tomotopy
    python benchmarks/lda.py [--posts 800000] [--topics 500] [--models ours gensim multicore tomotopy] [--whole] [--plot PNG]
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from posts import Truth, make_truth, posts
from scipy.optimize import linear_sum_assignment

from topicidx.embedders.corpus import DiskCorpus, build_corpus
from topicidx.embedders.lda import LdaHyperparameters, distributions
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.online_lda import ListedBags, TopicModel, learn_topics
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.settings import LdaSettings

HELD_OUT, ALPHA, ETA = 5_000, 0.1, 0.01
Float64 = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=800_000)
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument(
        "--passes", type=int, default=0, help="of every model but tomotopy; default: what topicidx takes"
    )
    parser.add_argument("--iterations", type=int, default=100, help="of tomotopy's Gibbs sampler")
    parser.add_argument("--whole", action="store_true", help="also `topicidx train --only text`, with reading")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        learn_one(arguments.one[0], Path(arguments.one[1]), arguments)
        return
    with tempfile.TemporaryDirectory(prefix="topicidx-lda-") as name:
        compare(Path(name), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    truth = make_truth(arguments.topics, arguments.seed)
    began = time.perf_counter()
    normalizer = CaptionNormalizer.for_language("en")
    vocabulary, corpus = build_corpus(
        posts(arguments.posts, truth, arguments.seed), normalizer, folder, min_documents=None, max_document_share=0.5,
        workers=None,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    vocabulary.write(folder / "vocabulary.jsonl")
    print(
        f"{len(corpus):,} posts, {len(corpus.ids) / len(corpus):.1f} known words a post, {len(vocabulary):,} words; generated "
        f"and read in {seconds:.0f} s; {os.cpu_count()} cores\n"
    )
    held_out = [
        vocabulary.bag_of_words(normalizer.stems(text)) for text in posts(HELD_OUT, truth, arguments.seed + 1_000)
    ]
    print("| | passes | seconds | documents/s | peak memory (MB) | perplexity | topics found | words lost |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name in arguments.models:
        row = measured([sys.executable, __file__, *sys.argv[1:], "--one", name, str(folder)])
        phi = np.load(folder / f"{name}.npy")
        said = json.loads((folder / f"{name}.json").read_text())
        row |= said | {
            "name": name,
            "perplexity": perplexity(phi, held_out),
            "found": found_share(phi, truth, vocabulary, normalizer),
            "lost": int((phi.max(axis=0) * phi.shape[1] < 0.5).sum()),
        }
        rows.append(row)
        print(
            f"| {said['label']} | {said['passes']} | {said['seconds']:.0f} | {said['documents'] / said['seconds']:,.0f} "
            f"| {row['megabytes']:.0f} | {row['perplexity']:.0f} | {row['found']:.2f} | {row['lost']} |",
            flush=True,
        )
    if arguments.whole:
        whole(folder, arguments, truth)
    if arguments.plot:
        plot(arguments.plot, rows)


def whole(folder: Path, arguments: argparse.Namespace, truth: Truth) -> None:
    manifest = folder / "posts.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        writer.writerows(
            [f"{number:08d}.jpg", text] for number, text in enumerate(posts(arguments.posts, truth, arguments.seed))
        )
    command = [
        "train",
        str(manifest),
        "--only",
        "text",
        "--topics",
        str(arguments.topics),
        "--home",
        str(folder / "home"),
    ]
    row = measured([sys.executable, "-m", "topicidx", *command])
    print(
        f"\n`topicidx train posts.csv --only text`: {row['wall'] / 60:.1f} min ({row['wall']:.0f} s), peak memory of all its "
        f"processes {row['megabytes']:.0f} MB"
    )


# Learning, in a process of its own


def ours(
    corpus: DiskCorpus, words: int, plan: LdaHyperparameters, arguments: argparse.Namespace
) -> tuple[str, Float64]:
    model = TopicModel.random(
        words, plan.priors, plan.eta, seed=arguments.seed, iterations=plan.iterations, threshold=plan.gamma_threshold
    )
    learn_topics(model, corpus, corpus.repetition.weights, plan, seed=arguments.seed)
    return "topicidx", (model.statistics.T + ETA).astype(np.float64)


def gensim(
    corpus: DiskCorpus, words: int, plan: LdaHyperparameters, arguments: argparse.Namespace
) -> tuple[str, Float64]:
    from gensim.models import LdaModel

    model = LdaModel(corpus, **gensim_settings(words, plan, arguments))
    return "gensim LdaModel", model.get_topics()


def multicore(
    corpus: DiskCorpus, words: int, plan: LdaHyperparameters, arguments: argparse.Namespace
) -> tuple[str, Float64]:
    from gensim.models import LdaMulticore

    workers = os.cpu_count() or 1
    model = LdaMulticore(corpus, workers=workers, **gensim_settings(words, plan, arguments))
    return f"gensim LdaMulticore, {workers} workers", model.get_topics()


def tomotopy(
    corpus: DiskCorpus, words: int, plan: LdaHyperparameters, arguments: argparse.Namespace
) -> tuple[str, Float64]:
    import tomotopy

    model = tomotopy.LDAModel(k=plan.num_topics, alpha=ALPHA, eta=ETA, seed=arguments.seed)
    for bag in corpus:
        if bag:
            model.add_doc([str(word) for word, count in bag for _ in range(count)])
    model.train(arguments.iterations, workers=os.cpu_count() or 1, show_progress=False)
    phi = np.full((plan.num_topics, words), 1e-9)
    columns = [int(word) for word in model.used_vocabs]
    for topic in range(plan.num_topics):
        phi[topic, columns] = model.get_topic_word_dist(topic)
    return f"tomotopy, {arguments.iterations} Gibbs iterations", phi


MODELS: dict[str, Callable[..., tuple[str, Float64]]] = {
    "ours": ours, "gensim": gensim, "multicore": multicore, "tomotopy": tomotopy,
}  # fmt: skip


def gensim_settings(words: int, plan: LdaHyperparameters, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "id2word": {word: str(word) for word in range(words)}, "num_topics": plan.num_topics, "passes": plan.passes,
        "chunksize": plan.chunksize, "alpha": [plan.alpha] * plan.num_topics, "eta": [plan.eta] * words,
        "decay": plan.decay, "offset": plan.offset, "iterations": plan.iterations,
        "gamma_threshold": plan.gamma_threshold, "eval_every": None, "random_state": arguments.seed,
    }  # fmt: skip


def learn_one(name: str, folder: Path, arguments: argparse.Namespace) -> None:
    corpus = DiskCorpus(folder)
    words = sum(1 for _ in (folder / "vocabulary.jsonl").open(encoding="utf-8"))
    settings = LdaSettings(num_topics=arguments.topics, passes=arguments.passes or None)
    plan = LdaHyperparameters.adapted(settings, len(corpus))
    began = time.perf_counter()
    label, weights = MODELS[name](corpus, words, plan, arguments)
    seconds = time.perf_counter() - began
    np.save(folder / f"{name}.npy", (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
    passes = 1 if name == "tomotopy" else plan.passes
    said = {
        "label": label,
        "seconds": seconds,
        "passes": "-" if name == "tomotopy" else passes,
        "documents": len(corpus) * passes,
    }
    (folder / f"{name}.json").write_text(json.dumps(said))


# Measuring


def measured(command: list[str]) -> dict[str, Any]:
    """Seconds of the process `command`, and the largest sum of the memory of it and its children (PSS), in MB."""
    began, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(memory, family(process.pid))))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return {"wall": time.perf_counter() - began, "megabytes": peak}


def family(parent: int) -> Iterator[int]:
    yield parent
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def memory(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1_000 for line in lines if line.startswith("Pss:")), 0.0)


def perplexity(phi: NDArray[np.float32], bags: list[list[tuple[int, int]]]) -> float:
    """Of every second word of each bag, where the others are known: exp of minus the mean log-likelihood of a word."""
    known = [bag[::2] for bag in bags]
    asked = [bag[1::2] for bag in bags]
    model = TopicModel(
        np.ascontiguousarray(phi.T), np.full(len(phi), ALPHA, dtype=np.float32), 0.0, iterations=200, threshold=1e-4
    )
    # The probabilities themselves in place of what training makes of counts, the same for all.
    model._topics[...] = phi.T / phi.T.max(axis=1, keepdims=True)
    model._scale[...] = 1
    theta = np.concatenate([distributions(gamma) for gamma in model.infer(ListedBags(known))])
    total, count = 0.0, 0
    smooth = 0.999 * phi + 0.001 / phi.shape[1]
    for row, bag in zip(theta, asked, strict=True):
        for word, times in bag:
            total += times * float(np.log(row @ smooth[:, word]))
            count += times
    return float(np.exp(-total / count))


def found_share(phi: NDArray[np.float32], truth: Truth, vocabulary: Vocabulary, normalizer: CaptionNormalizer) -> float:
    """Mean cosine similarity of the generator's topics with those learned, each matched with one of them at best."""
    ids = vocabulary.ids
    places = [ids.get(normalizer.stem(word), -1) for word in truth.words]
    columns = np.array([place for place in places if place >= 0])
    true = truth.topics[:, [number for number, place in enumerate(places) if place >= 0]]
    learned = phi[:, columns].astype(np.float64)
    true /= np.linalg.norm(true, axis=1, keepdims=True) + 1e-12
    learned /= np.linalg.norm(learned, axis=1, keepdims=True) + 1e-12
    similarity = true @ learned.T
    return float(similarity[linear_sum_assignment(-similarity)].mean())


def plot(path: Path, rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    names = [row["label"].replace(", ", ",\n") for row in rows]
    colours = ["tab:blue" if row["name"] == "ours" else "tab:grey" for row in rows]
    for axis, title, values in (
        (axes[0], "documents/s", [row["documents"] / row["seconds"] for row in rows]),
        (axes[1], "peak memory, MB", [row["megabytes"] for row in rows]),
        (axes[2], "perplexity of posts held out", [row["perplexity"] for row in rows]),
    ):
        bars = axis.barh(names[::-1], values[::-1], color=colours[::-1])
        axis.bar_label(bars, fmt="{:,.0f}", padding=3)
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0, max(values) * 1.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_visible(False)
    for axis in axes[1:]:
        axis.set_yticks([])
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
