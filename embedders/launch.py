"""Several processes of one machine that train together, started by torchrun and watched from here."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from topicidx.embedders.stopping import StopRequest, stop_requests
from topicidx.embedders.training import Epoch, Progress, TrainingResult
from topicidx.embedders.training_job import PROGRESS, TrainingJob
from topicidx.errors import TrainingError

#: Seconds between two looks at how far the processes are.
EVERY = 0.2


def train_in_processes(job: TrainingJob, processes: int, progress: Progress | None = None) -> TrainingResult:
    """Train `job` in `processes` processes of this machine; what they tell of progress is passed on.

    Asked to stop by SIGTERM or Ctrl-C, they write a checkpoint, and SystemExit(143) or KeyboardInterrupt is raised here.
    Raises TrainingError with the reason of the process that failed first.
    """
    logs, failure, told = job.folder / "logs", job.folder / "failure.json", job.folder / PROGRESS
    failure.unlink(missing_ok=True)
    told.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--max-restarts",
        "0", "--log-dir", str(logs), "--redirects", "3", "-m", "topicidx.embedders.train", str(job.folder), "--quiet",
    ]  # fmt: skip
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    environment = {"OMP_NUM_THREADS": threads} | os.environ | {"TORCHELASTIC_ERROR_FILE": str(failure)}
    logs.mkdir(exist_ok=True)
    # Ctrl-C in a terminal goes to all that run there: in a session of their own the processes hear of it from here alone.
    with stop_requests() as stop, (logs / "torchrun.log").open("wb") as log:
        running = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _watch(running, told, progress or Progress(), stop)
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait()
        stop.check()
    if running.returncode:
        raise _failure(failure, logs, running.returncode)
    return job.result()


def _watch(running: "subprocess.Popen[bytes]", told: Path, progress: Progress, stop: StopRequest) -> None:
    passed = 0
    asked = False
    while True:
        ended = running.poll() is not None
        if told.is_file():
            with told.open("rb") as file:
                file.seek(passed)
                for line in file:
                    if line.endswith(b"\n"):
                        passed += len(line)
                        _pass_on(json.loads(line), progress)
        if ended:
            return
        if stop.wanted and not asked:
            asked = True
            running.terminate()
        time.sleep(EVERY)


def _pass_on(event: list[Any], progress: Progress) -> None:
    name, *values = event
    if name == "epoch":
        progress.epoch(Epoch(**values[0]))
    else:
        getattr(progress, name)(*values)


def _failure(file: Path, logs: Path, code: int) -> Exception:
    if not file.is_file():
        return TrainingError(
            f"a training process ended without a word (exit code {code}), most often for want of memory: fewer processes or "
            f"a smaller training.micro_batch take less; the output of all is in {logs}"
        )
    written = json.loads(file.read_text(encoding="utf-8"))["message"]
    message = written if isinstance(written, str) else str(written["message"])
    kind, _, text = message.partition(": ")
    if kind in {"TrainingError", "SettingsError", "SpaceError"}:
        return TrainingError(text)
    trace = written["extraInfo"]["py_callstack"] if isinstance(written, dict) else message
    return RuntimeError(f"a training process failed (the output of all is in {logs}):\n{trace}")
