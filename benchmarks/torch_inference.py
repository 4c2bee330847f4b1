"""The expectation step of LDA in PyTorch, in batches, beside the compiled one: why there is the latter.

Random topics and documents of twelve different words; both are run until gamma moves as little, one thread and all.

    python benchmarks/torch_inference.py [--documents 20000] [--topics 500] [--words 5000]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topicidx.embedders.online_lda import ListedBags, TopicModel

ALPHA, ITERATIONS, THRESHOLD, BATCH = 0.1, 50, 0.001, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--words", type=int, default=5_000)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    frequency = 1 / np.arange(1, arguments.words + 1)
    drawn = random.choice(arguments.words, (arguments.documents, 12), p=frequency / frequency.sum())
    bags = [[(int(word), 1) for word in np.unique(row)] for row in drawn]
    alpha = np.full(arguments.topics, ALPHA, dtype=np.float32)
    model = TopicModel.random(arguments.words, alpha, 0.01, seed=0, iterations=ITERATIONS, threshold=THRESHOLD)
    topics = torch.from_numpy(model._topics * model._scale)
    print("| | threads | documents/s |\n|---|---|---|")
    listed = ListedBags(bags)
    for threads in (1, torch.get_num_threads()):
        torch.set_num_threads(threads)
        model.threads = threads
        compiled, compiled_rate = timed(lambda: np.concatenate(list(model.infer(listed))), len(bags))
        batched, batched_rate = timed(lambda: in_batches(topics, bags).numpy(), len(bags))
        assert np.abs(compiled - batched).mean() < 1e-3
        print(f"| compiled (numba) | {threads} | {compiled_rate:,.0f} |")
        print(f"| batches of {BATCH} (PyTorch) | {threads} | {batched_rate:,.0f} |")


def in_batches(topics: Tensor, bags: list[list[tuple[int, int]]]) -> Tensor:
    """gamma of documents, batch by batch; those that have converged stop moving, and a batch ends with its last."""
    order = sorted(range(len(bags)), key=lambda place: len(bags[place]))
    found = torch.empty(len(bags), topics.shape[1])
    for begin in range(0, len(order), BATCH):
        places = order[begin : begin + BATCH]
        longest = len(bags[places[-1]])
        ids = torch.tensor([[word for word, _ in bags[place]] + [0] * (longest - len(bags[place])) for place in places])
        counts = torch.tensor(
            [[float(count) for _, count in bags[place]] + [0.0] * (longest - len(bags[place])) for place in places]
        )
        found[places] = gamma_of(topics[ids], counts)
    return found


def gamma_of(rows: Tensor, counts: Tensor) -> Tensor:
    """rows: (documents, words, topics), counts: (documents, words)."""
    gamma = torch.ones(len(rows), rows.shape[2])
    moving = torch.ones(len(rows), 1, dtype=torch.bool)
    theta = exp_expected(gamma)
    for _ in range(ITERATIONS):
        shares = counts / ((rows @ theta[:, :, None])[:, :, 0] + 1e-30)
        new = torch.where(moving, ALPHA + theta * (shares[:, None, :] @ rows)[:, 0], gamma)
        moving &= (new - gamma).abs().mean(dim=1, keepdim=True) >= THRESHOLD
        gamma = new
        if not moving.any():
            break
        theta = exp_expected(gamma)
    return gamma


def exp_expected(gamma: Tensor) -> Tensor:
    return torch.exp(torch.digamma(gamma) - torch.digamma(gamma.sum(dim=1, keepdim=True)))


def timed(run: Callable[[], NDArray[np.float32]], documents: int) -> tuple[NDArray[np.float32], float]:
    run()
    began = time.perf_counter()
    result = run()
    return result, documents / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
