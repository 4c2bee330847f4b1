"""The scripts for several machines: what they start, with programs in place of the real ones that say how they were called."""

import os
import subprocess
from pathlib import Path

import pytest

from doubles.deployed import DEPLOY, Tool

TORCHRUN, SLURM = DEPLOY / "cluster" / "torchrun.sh", DEPLOY / "cluster" / "slurm.sbatch"
STORE = {"TOPICIDX_STORE": "http://qdrant:6333"}
MACHINES = {"NNODES": "2", "NPROC": "4", "RDZV_ENDPOINT": "node1:29500", "RDZV_ID": "7"}
SEVERAL = "torchrun --nnodes 2 --nproc-per-node 4 --max-restarts 0 --rdzv-backend c10d --rdzv-endpoint node1:29500 --rdzv-id 7"


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder of programs that write their names and arguments to calls.txt."""
    folder = tmp_path / "bin"
    folder.mkdir()
    said = tmp_path / "calls.txt"
    _write(folder / "torchrun", f'echo "torchrun $*" >> {said}')
    _write(folder / "nvidia-smi", "echo no driver >&2; exit 9")
    _write(
        folder / "topicidx",
        f'echo "topicidx $*" >> {said}; case "$*" in *--prepare*) echo "{{\\"prepared\\": \\"{tmp_path}/job\\"}}";; esac',
    )
    _write(folder / "scontrol", "printf 'node1\\nnode2\\n'")
    # One machine's part, as `srun` would start it on each.
    _write(folder / "srun", f'echo "srun ${{@:1:6}}" >> {said}; "${{@:7}}"')
    (tmp_path / "job").mkdir()
    return folder


@pytest.mark.parametrize("script", [TORCHRUN, SLURM])
def test_shellcheck_finds_nothing(tool: Tool, script: Path) -> None:
    checked = tool("shellcheck", script)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert os.access(script, os.X_OK)


def test_shellcheck_would_find_something(tool: Tool) -> None:
    wrong = TORCHRUN.read_text().replace('"$@"\n', "$@\n")
    assert "SC2068" in tool("shellcheck", "-", stdin=wrong).stdout


@pytest.mark.parametrize("what", ["train", "train_text"])
def test_a_training_over_several_machines(stubs: Path, tmp_path: Path, what: str) -> None:
    job = tmp_path / "job"
    assert _run(stubs, TORCHRUN, what, job, **MACHINES).returncode == 0
    assert _calls(tmp_path) == [f"{SEVERAL} -m topicidx.embedders.{what} {job}"]


def test_an_ingest_over_several_machines(stubs: Path, tmp_path: Path) -> None:
    assert _run(stubs, TORCHRUN, "ingest", "a folder", "--prune", **MACHINES, **STORE).returncode == 0
    assert _calls(tmp_path) == [
        f"{SEVERAL} --no-python topicidx ingest a folder --store {STORE['TOPICIDX_STORE']} --prune"
    ]


def test_one_machine_without_a_gpu_runs_one_process(stubs: Path, tmp_path: Path) -> None:
    assert _run(stubs, TORCHRUN, "train", tmp_path / "job").returncode == 0
    assert _calls(tmp_path)[0].startswith("torchrun --nnodes 1 --nproc-per-node 1 --max-restarts 0 --standalone -m ")


def test_a_process_is_started_for_each_gpu(stubs: Path, tmp_path: Path) -> None:
    _write(stubs / "nvidia-smi", "printf 'GPU 0: H100\\nGPU 1: H100\\nGPU 2: H100\\n'")
    assert _run(stubs, TORCHRUN, "train", tmp_path / "job").returncode == 0
    assert "--nproc-per-node 3 " in _calls(tmp_path)[0]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ((), {}, "usage: torchrun.sh"),
        (("train",), {}, "usage: torchrun.sh"),
        (("train", "nowhere"), {}, "there is no folder nowhere"),
        (("train", "a", "b"), {}, "one prepared training"),
        (("evaluate", "photos"), {}, "there is no evaluate"),
        (("ingest", "photos"), {}, "TOPICIDX_STORE must be the URL"),
        (("ingest", "photos"), {"TOPICIDX_STORE": "store"}, "TOPICIDX_STORE must be the URL"),
        (("ingest", "photos"), {"NNODES": "2"} | STORE, "RDZV_ENDPOINT=: several machines need"),
        (("ingest", "photos"), {"NNODES": "two"} | STORE, "NNODES=two: how many machines"),
        (("ingest", "photos"), {"NPROC": "0"} | STORE, "NPROC=0: how many processes"),
    ],
)
def test_what_is_missing_is_said(
    stubs: Path, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    told = _run(stubs, TORCHRUN, *arguments, **environment)
    assert told.returncode == 2
    assert told.stderr.startswith("error: ")
    assert said in told.stderr
    assert _calls(tmp_path) == []


def test_slurm_prepares_trains_on_all_machines_and_takes_the_result(stubs: Path, tmp_path: Path) -> None:
    done = _run(stubs, SLURM, "train", "photos", "--topics", "300", **_allocation(tmp_path))
    assert done.returncode == 0, done.stderr
    assert _calls(tmp_path) == [
        "topicidx train photos --topics 300 --prepare --json",
        "srun --ntasks 2 --ntasks-per-node 1 --kill-on-bad-exit 1",
        f"{SEVERAL} -m topicidx.embedders.train {tmp_path}/job",
        "topicidx train photos --topics 300",
    ]


def test_slurm_learns_topics_alone_where_it_is_told(stubs: Path, tmp_path: Path) -> None:
    assert _run(stubs, SLURM, "train", "posts.csv", "--only", "text", **_allocation(tmp_path)).returncode == 0
    assert _calls(tmp_path)[2].endswith(f"-m topicidx.embedders.train_text {tmp_path}/job")


def test_slurm_ingests_on_all_machines(stubs: Path, tmp_path: Path) -> None:
    assert _run(stubs, SLURM, "ingest", "photos", **_allocation(tmp_path), **STORE).returncode == 0
    assert _calls(tmp_path)[1:] == [f"{SEVERAL} --no-python topicidx ingest photos --store {STORE['TOPICIDX_STORE']}"]


def test_a_training_that_failed_is_not_taken_for_finished(stubs: Path, tmp_path: Path) -> None:
    _write(stubs / "torchrun", "exit 1")
    assert _run(stubs, SLURM, "train", "photos", **_allocation(tmp_path)).returncode == 1
    assert _calls(tmp_path)[-1].startswith("srun")


def test_slurm_says_where_it_does_not_run(stubs: Path, tmp_path: Path) -> None:
    assert "not a SLURM job" in _run(stubs, SLURM, "train", "photos").stderr
    assert "usage: sbatch" in _run(stubs, SLURM, "query", "photos", **_allocation(tmp_path)).stderr
    assert _calls(tmp_path) == []


def _allocation(folder: Path) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_GPUS_ON_NODE": "4",
        "SLURM_SUBMIT_DIR": str(DEPLOY.parent),
        "VENV": str(folder / "nowhere"),
    }


def _run(stubs: Path, script: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=stubs.parent,
        env={"PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}"} | environment,
    )


def _calls(folder: Path) -> list[str]:
    said = folder / "calls.txt"
    return said.read_text().splitlines() if said.exists() else []


def _write(path: Path, body: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)
