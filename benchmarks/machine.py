"""What all benchmarks share: the machine in words, tables in Markdown, fresh processes, and a topic space of any size."""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOPICS = 500

# Started from a small process: the kernel counts the memory of the one that starts another as the other's too.
_LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([time.perf_counter() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)], file)
"""


def machine() -> str:
    """Processor, cores, memory and the versions that matter, in a sentence."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        told = ""
    name = re.search(r"model name\s*: (.*)", told)
    flags = set((re.search(r"flags\s*: (.*)", told) or [""])[0].split())
    wide = "AVX-512 with bfloat16" if "avx512_bf16" in flags else "AVX-512" if "avx512f" in flags else "no AVX-512"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "numpy", "qdrant-edge-py"))
    return (
        f"{len(os.sched_getaffinity(0))} cores of {name[1] if name else platform.processor()} ({wide}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}, {versions}"
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as a table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(seconds: Sequence[float], digits: int = 1) -> str:
    """Median and 95th percentile, in milliseconds."""
    median, late = np.percentile(seconds, (50, 95)) * 1e3
    return f"{median:.{digits}f} / {late:.{digits}f}"


def run_process(command: Sequence[str], **options: Any) -> tuple[float, float, str]:
    """A whole process: seconds, peak memory in MB (its own, or that of its largest child), its output. Raises where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told.json")
        launcher = [sys.executable, "-S", "-c", _LAUNCHER, str(told), *command]
        done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=True, **options)
        seconds, peak, status = json.loads(told.read_text(encoding="utf-8"))
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return seconds, peak, done.stdout


def in_process(file: str, *arguments: object) -> dict[str, Any]:
    """What a benchmark prints, as JSON, when it is run in a process of its own with these arguments."""
    _, peak, output = run_process([sys.executable, file, *map(str, arguments)])
    return {**json.loads(output), "peak": peak}


def repeated(
    commands: Mapping[str, Sequence[str]], rounds: int, cwd: Path | None = None
) -> dict[str, tuple[list[float], float]]:
    """Whole processes, in turns, so that a slow moment is everyone's: seconds of each run, and the most memory in MB."""
    runs: dict[str, list[tuple[float, float, str]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run_process(command, cwd=cwd))
    return {name: ([run[0] for run in found], max(run[1] for run in found)) for name, found in runs.items()}


def make_space(folder: Path, *, captions: int = 20_000, arch: str = "googlenet") -> Any:
    """A topic space of 500 topics in `folder`: words learned from generated posts and from captions of rendered pictures,
    and a network of random weights as training makes it by default, which is as fast as one that has learned."""
    from posts import make_truth, posts

    from topicidx.embedders.googlenet_encoder import GoogLeNetImageEncoder, ViewSettings
    from topicidx.embedders.lda import LdaTextEncoder
    from topicidx.embedders.networks.architectures import ARCHITECTURES
    from topicidx.embedders.topic_network import TopicNetwork
    from topicidx.embedders.topic_space import write_topic_space
    from topicidx.embedders.training_plan import TrainingPlan
    from topicidx.indexer.rendered import CONCEPTS
    from topicidx.settings import LdaSettings, TrainingSettings

    rng = np.random.default_rng(0)
    concepts = sorted(CONCEPTS)
    scenes = [" ".join(rng.choice(concepts, 3, replace=False)) for _ in range(captions // 10)]
    written = [*posts(captions, make_truth(TOPICS, 0), 0), *scenes]
    text = LdaTextEncoder.train(written, LdaSettings(num_topics=TOPICS, passes=1), seed=0)
    plan = TrainingPlan.adapted(TrainingSettings(), 10_000)
    network = TopicNetwork(ARCHITECTURES[arch], TOPICS, dropout=plan.dropout, head=plan.head)
    views = ViewSettings(plan.view, plan.resize, plan.crop, plan.sizes, plan.mirror)
    return write_topic_space(folder, text, GoogLeNetImageEncoder(network, arch, views))


def thetas(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Vectors such as networks give pictures, float32 (count, TOPICS): a few leading topics, a little of all others."""
    return rng.dirichlet(np.full(TOPICS, 0.05), size=count).astype(np.float32)
