"""Tab completion: what a shell is given to install, and what it is answered when the key is pressed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "_TOPICIDX_COMPLETE"
SHELLS = {"bash": "complete -o default -F", "zsh": "#compdef topicidx", "fish": "complete --command topicidx"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program under its own name, as an installation has it."""
    path = tmp_path_factory.mktemp("bin") / "topicidx"
    lines = ("from topicidx.cli.program import program", "program()")
    path.write_text("\n".join([f"#!{sys.executable}", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return path


def complete(program: Path, line: str, cwd: Path) -> list[str]:
    """What Bash is answered for the last word of a line."""
    done = subprocess.run(
        [str(program)],
        env=clean() | {VARIABLE: "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        cwd=cwd, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "TOPICIDX" not in name}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_given_its_script(program: Path, shell: str) -> None:
    done = subprocess.run(
        [str(program)], env=clean() | {VARIABLE: f"source_{shell}"}, capture_output=True, text=True, check=True
    )
    assert SHELLS[shell] in done.stdout
    if found := shutil.which(shell):
        subprocess.run([found, "-n", "-c" if shell != "fish" else "--command", done.stdout], check=True)


def test_bash_completes_with_the_script_that_it_is_given(program: Path, tmp_path: Path) -> None:
    script = (
        f"source <({VARIABLE}=source_bash topicidx); COMP_WORDS=(topicidx query --ma); COMP_CWORD=2; "
        '_topicidx_completion topicidx; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script], env=clean() | {"PATH": f"{program.parent}:{os.environ['PATH']}"},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "--match\n", done.stderr


def test_completion_is_installed_into_the_start_up_files_of_bash(program: Path, tmp_path: Path) -> None:
    script = "topicidx --install-completion; echo $?"
    done = subprocess.run(
        ["bash", "-c", script],
        env=clean() | {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("0\n"), done.stderr
    assert "topicidx" in (tmp_path / ".bashrc").read_text(encoding="utf-8")
    assert list((tmp_path / ".bash_completions").iterdir())


def test_commands_and_choices_are_completed(program: Path, tmp_path: Path) -> None:
    assert {"query", "train", "serve"} <= set(complete(program, "topicidx ", tmp_path))
    assert complete(program, "topicidx query --match ", tmp_path) == ["all", "mean"]


def test_words_of_the_captions_are_completed_with_the_most_frequent_first(program: Path, workspace: Path) -> None:
    assert complete(program, "topicidx query sunr", workspace)[0] == "sunrise"
    assert "umbrella" in complete(program, "topicidx query sunrise umb", workspace)
    assert "umbrella" in complete(program, f"topicidx explain --home {workspace} umb", workspace.parent)
    assert complete(program, "topicidx query zzz", workspace) == []


def test_cities_of_the_pictures_are_completed(program: Path, workspace: Path) -> None:
    assert complete(program, "topicidx query sunrise --city mel", workspace) == ["melbourne"]


def test_nothing_is_completed_where_there_is_no_index(program: Path, tmp_path: Path) -> None:
    assert complete(program, "topicidx query sunr", tmp_path) == []
    assert complete(program, "topicidx query --city mel", tmp_path) == []
    assert complete(program, "topicidx query --store http://127.0.0.1:9 --city mel", tmp_path) == []


def test_sources_are_completed_as_files_and_folders(program: Path, tmp_path: Path) -> None:
    (tmp_path / "my photos" / "london").mkdir(parents=True)
    for name in ("posts.csv", "posts.jsonl", ".hidden.csv"):
        (tmp_path / name).touch()
    assert complete(program, "topicidx ingest posts", tmp_path) == ["posts.csv", "posts.jsonl"]
    assert complete(program, "topicidx train s3://bucket/p", tmp_path) == []
    assert complete(program, f"topicidx ingest {tmp_path}/p", tmp_path) == [
        f"{tmp_path}/posts.csv",
        f"{tmp_path}/posts.jsonl",
    ]
