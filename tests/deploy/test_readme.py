"""deploy/README.md names every file of deploy/, and only those; no file names this machine or holds a secret."""

import re
from pathlib import Path

import pytest

from doubles.deployed import DEPLOY, ROOT

FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name not in {"README.md", ".env"})


def test_every_file_is_named() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+)`", text.partition("## ")[0]))
    for path in FILES:
        relative = path.relative_to(DEPLOY).as_posix()
        above = {f"{parent.as_posix()}/" for parent in path.relative_to(DEPLOY).parents}
        assert relative in named or above & named, f"{relative} is not in the table of deploy/README.md"


def test_what_is_named_is_there() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for path in set(re.findall(r"(?<!tests/)deploy/[\w./-]+\w", text)) - {"deploy/.env"}:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_a_file_ends_with_one_newline_and_has_no_trailing_spaces(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_env_with_secrets_is_not_kept() -> None:
    assert "deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()
