"""How the commands of the documents are run: by section, or why not, and what stands for what only readers have.

A command that needs no shell and is one of topicidx runs in the scenario of its section, after those above it, unless it is
`LISTED`. All others must be listed. To add documentation is to add nothing here, unless it needs more than a folder with
pictures that are indexed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: searched: pictures that are indexed, with a cheap image encoder. trained: pictures, and a network small enough to learn.
Scenario = Literal["searched", "trained"]


@dataclass(frozen=True)
class Listed:
    """Why a command is not run as it stands, and the test that does what it does, where there is one."""

    reason: str
    test: str = ""


SCENARIOS: Mapping[tuple[str, str], Scenario] = {
    ("README.md", "Your own pictures"): "trained",
    ("README.md", "Training"): "trained",
    ("README.md", "Many captions"): "trained",
    ("README.md", "Languages"): "trained",
    ("README.md", "More"): "trained",
    ("docs/tutorial.md", "5. Your own pictures"): "trained",
}

#: By what a command begins with, where `*` stands for anything: the first that fits.
LISTED: Mapping[str, Listed] = {
    "git clone *": Listed("needs the repository's address"),
    "pip install *": Listed("needs the network: that the extras exist is checked"),
    "make *": Listed(
        "is checked by `make --dry-run`; the demo's run is a test, the others run tests", "tests/e2e/test_demo.py"
    ),
    ". .venv/bin/activate": Listed("is the reader's shell"),
    "docker *": Listed("needs a Docker engine"),
    "kubectl *": Listed("needs a Kubernetes cluster"),
    "helm *": Listed("needs a Kubernetes cluster"),
    "sbatch *": Listed("needs a Slurm cluster"),
    "srun *": Listed("needs a Slurm cluster"),
    "rsync *": Listed("needs another machine"),
    "cd *": Listed("is the reader's shell: commands after `&&` are read as all others"),
    "scp *": Listed("needs another machine"),
    "ssh *": Listed("needs another machine"),
    "torchrun *": Listed("needs several machines", "tests/embedders/test_distributed.py"),
    "topicidx train * --nproc *": Listed("needs as many processors", "tests/cli/test_training.py"),
    "topicidx train photos/ --preset *": Listed("asks for 217 passes", "tests/embedders/test_training_plan.py"),
    "topicidx train * --arch bvlc --init *": Listed("needs the weights", "tests/embedders/test_networks.py"),
    "topicidx serve*": Listed("serves until it is stopped: `test_what_serves_is_started_asked_and_stopped`"),
    "TOPICIDX_TOKEN=$(openssl rand -hex 32) topicidx serve *": Listed("as the one above"),
    "curl *": Listed("asks what serves: as the one above"),
    "topicidx --install-completion": Listed("changes the reader's shell", "tests/cli/test_completion.py"),
    "_TOPICIDX_COMPLETE=*": Listed("is the shell's", "tests/cli/test_completion.py"),
}

#: Documents whose shell blocks are run by a test of their own.
OWN_TESTS: Mapping[str, str] = {"docs/downstream.md": "tests/docs/test_downstream_curl.py"}

#: Settings of the scenario with a network: it learns in a second or two.
TINY_TRAINING = (
    "[lda]\nnum_topics = 8\npasses = 4\nmin_documents = 1\n\n[word2vec]\ndimensions = 8\nepochs = 2\n\n"
    '[training]\ninit = "random"\nepochs = 1\ncrop = 32\nresize = 36\nbatch_size = 16\n'
)


def _moved(folder: Path) -> None:
    (folder / "new" / "place").mkdir(parents=True)
    (folder / "photos").rename(folder / "new" / "place" / "photos")


#: What must have happened in the folder before a command.
BEFORE: Mapping[str, Callable[[Path], object]] = {
    "topicidx info": lambda folder: (folder / ".topicidx").mkdir(exist_ok=True),
    "topicidx relocate photos /new/place/photos": _moved,
}

#: Commands that a reader types elsewhere, where no index is yet: the options that say so.
ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "topicidx restore photos.tar": ("--home", "elsewhere/.topicidx"),
}

#: What is added to the commands of a section, where the rest of what they do is done by another section's.
APPENDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("README.md", "Languages"): ("--only", "text"),
}
