"""Captions to words, in several processes: the slow part of reading a corpus."""

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.errors import TrainingError
from topicidx.processes import child_context, uninterrupted, without_main

#: Texts that one process takes at once, and batches of them before other processes are worth their start.
BATCH, ALONE = 2_500, 8


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """The words of some texts, without stop words: int32 (texts,) how many each has, int32 (words,) which of `forms`."""

    lengths: NDArray[np.int32]
    places: NDArray[np.int32]
    forms: list[str]


def tokenize(normalizer: CaptionNormalizer, texts: Iterable[str]) -> TokenBatch:
    """The words of `texts`, each once in `forms`, in the order in which they first come."""
    numbers: dict[str, int] = {}
    forms: list[str] = []
    places: list[int] = []
    lengths: list[int] = []
    for text in texts:
        before = len(places)
        for form in normalizer.forms(text):
            number = numbers.get(form)
            if number is None:
                number = -1
                if form not in normalizer.stop_words:
                    number = len(forms)
                    forms.append(form)
                numbers[form] = number
            if number >= 0:
                places.append(number)
        lengths.append(len(places) - before)
    return TokenBatch(np.array(lengths, dtype=np.int32), np.array(places, dtype=np.int32), forms)


def tokenized(
    normalizer: CaptionNormalizer, texts: Iterable[str], workers: int | None = None
) -> Iterator[tuple[list[str], TokenBatch]]:
    """`texts` in batches, in their order, with the words of each batch; `workers` processes, None for one a core.

    Other processes start once there is enough for them to do; what comes out does not depend on them.
    """
    left = iter(texts)
    batches = iter(lambda: list(itertools.islice(left, BATCH)), [])
    workers = workers or os.cpu_count() or 1
    for batch in batches if workers == 1 else itertools.islice(batches, ALONE):
        yield batch, tokenize(normalizer, batch)
    first = next(batches, None)
    if first is not None:
        yield from _in_processes(normalizer, itertools.chain([first], batches), workers)


def _in_processes(
    normalizer: CaptionNormalizer, batches: Iterator[list[str]], workers: int
) -> Iterator[tuple[list[str], TokenBatch]]:
    pool = ProcessPoolExecutor(
        workers, mp_context=child_context(), initializer=_start, initargs=(normalizer.to_json(),)
    )
    waiting: deque[tuple[list[str], Future[TokenBatch]]] = deque()
    try:
        with uninterrupted(), without_main():
            while len(waiting) < workers and (batch := next(batches, None)):
                waiting.append((batch, pool.submit(_tokenize, batch)))
        while waiting:
            while len(waiting) < 2 * workers + 1 and (batch := next(batches, None)):
                waiting.append((batch, pool.submit(_tokenize, batch)))
            batch, tokens = waiting.popleft()
            yield batch, tokens.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            "a process that reads captions was killed, most often for want of memory; the same command goes on from there"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_normalizer: CaptionNormalizer


def _start(normalizer: dict[str, Any]) -> None:
    global _normalizer
    _normalizer = CaptionNormalizer.from_json(normalizer)


def _tokenize(texts: list[str]) -> TokenBatch:
    return tokenize(_normalizer, texts)
