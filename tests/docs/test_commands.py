"""Every command that the documents tell people to type is run, or listed with the reason why not; none has a wrong option."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from doubles.colour import ColourImageEncoder, load_encoder_class
from doubles.command_table import APPENDED, BEFORE, ELSEWHERE, LISTED, OWN_TESTS, SCENARIOS, TINY_TRAINING, Listed
from doubles.documents import ROOT, Command, commands, documents, inline_commands, is_plain, parse
from doubles.environment import without_settings
from doubles.qdrant import QdrantDouble
from doubles.spaces import Paint
from topicidx.cli import app as command_line
from topicidx.embedders import topic_space
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import write_topic_space
from topicidx.indexer.index import Index
from topicidx.indexer.sources.registry import FILE_NAME
from topicidx.settings import LdaSettings

#: What pictures of each colour are captioned with: all words that the documents search for.
THEMES = {
    (30, 80, 220): "sunrise beach ocean people",
    (235, 235, 245): "snow mountain tree",
    (90, 50, 20): "dog golden retriever beach",
    (20, 20, 40): "skyline night street people",
    (230, 200, 20): "yellow car rain umbrella",
}
CITIES = ("Miami", "Sydney", "London", "São Paulo")
PICTURES = 100
#: Servers that the documents name, all of which are the double.
SERVERS = re.compile(r"http://(localhost|qdrant):6333\b")

ALL = [command for document in documents() if document not in OWN_TESTS for command in commands(document)]


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    errors: str


def listed(text: str) -> Listed | None:
    return next((why for pattern, why in LISTED.items() if fnmatchcase(text, pattern)), None)


def sections() -> dict[tuple[str, str], list[Command]]:
    """The commands that are run, by document and section; of sections with the same commands the first."""
    found: dict[tuple[str, str], list[Command]] = {}
    for command in ALL:
        if not listed(command.text):
            found.setdefault((command.document, command.section), []).append(command)
    different: dict[tuple[str, ...], tuple[str, str]] = {}
    for place, typed in found.items():
        different.setdefault((SCENARIOS.get(place, ""), *(command.text for command in typed)), place)
    return {place: found[place] for place in different.values()}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, paint: Paint) -> Path:
    """A folder with all that the documents take to be there; its index is of pictures of one colour each."""
    folder = tmp_path_factory.mktemp("reader")
    rows = []
    for number in range(PICTURES):
        colour, words = list(THEMES.items())[number % len(THEMES)]
        paint(folder / "photos" / f"{number:02}.jpg", colour, exif=_taken(2022 + number % 3, 1 + number % 12))
        city = CITIES[number % 4]
        rows.append(f"{number:02}.jpg,{words} #{words.split()[0]} in {city},{city},{5 * number},Ann Lee")
    table = "image,caption,city,likes,author\n" + "\n".join(rows) + "\n"
    (folder / "photos" / "captions.csv").write_text(table, encoding="utf-8")
    (folder / "posts.csv").write_text(table, encoding="utf-8")
    for name, colour in {"photos/tree.jpg": (230, 235, 240), "photos/crowd.jpg": (25, 25, 50)}.items():
        paint(folder / name, colour)
    paint(folder / "beach.jpg", (35, 85, 215))
    (folder / "queries.txt").write_text("sunrise beach\nsnow -people\n", encoding="utf-8")
    (folder / "queries.tsv").write_text("1\tsunrise beach\n2\tsnow\n", encoding="utf-8")
    (folder / "qrels.txt").write_text("1 0 photos/00.jpg 1\n2 0 photos/01.jpg 1\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def searched(pictures: Path) -> Path:
    """The folder, with the pictures indexed in `.topicidx`; a space learned from their captions, pictures told by colour."""
    captions = [f"{words} {city}" for words in THEMES.values() for city in CITIES]
    text = LdaTextEncoder.train(captions * 4, LdaSettings(num_topics=8, passes=10, min_documents=1), seed=3)
    encoder = ColourImageEncoder(np.array(list(THEMES), dtype=np.float32), text.encode(list(THEMES.values())))
    write_topic_space(pictures / ".topicidx" / "space", text, encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topic_space, "load_encoder_class", load_encoder_class)
        with Index.open(pictures) as index:
            index.ingest(pictures / "photos")
    return pictures


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as double:
        yield double


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image encoder that goes by colours is known."""
    monkeypatch.setattr(topic_space, "load_encoder_class", load_encoder_class)


@pytest.mark.parametrize(
    ("place", "typed"), [pytest.param(*item, id=": ".join(item[0])) for item in sections().items()]
)
def test_the_commands_of_a_section_do_what_they_are_for(
    place: tuple[str, str], typed: list[Command], request: pytest.FixtureRequest, tmp_path: Path, double: QdrantDouble
) -> None:
    if SCENARIOS.get(place) == "trained":
        folder = copied(request.getfixturevalue("pictures"), tmp_path / "reader", ".topicidx", "[1-9][0-9].jpg")
        keep_lines(folder / "photos" / "captions.csv", 11)
        (folder / "topicidx.toml").write_text(TINY_TRAINING, encoding="utf-8")
    else:
        folder = copied(request.getfixturevalue("searched"), tmp_path / "reader")
        shutil.copytree(folder / ".topicidx", folder / "demo" / ".topicidx")
        request.getfixturevalue("colours")
    for command in typed:
        assert is_plain(command.text), f"{command}: needs a shell; list it in doubles/command_table.py"
        BEFORE.get(command.text, lambda _: None)(folder)
        done = run(command.text, folder, double, *APPENDED.get(place, ()))
        assert done.code == 0, f"{command}\n{done.out}{done.errors}"
        assert "Traceback" not in done.errors, f"{command}\n{done.errors}"
        assert done.out or done.errors, f"{command}: said nothing"


def run(text: str, folder: Path, double: QdrantDouble, *appended: str) -> Done:
    """What a command does in a folder, in this process; servers of the documents are the double."""
    words = shlex.split(SERVERS.sub(double.url, text).replace(" /new/place/", f" {folder}/new/place/"))[1:]
    out, errors = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TOPICIDX_")]:
            patch.delenv(name)
        patch.setenv("TOPICIDX_SERVER__GRPC_PORT", str(double.port))
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["topicidx", *words, *ELSEWHERE.get(text, ()), *appended])
        code = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                command_line.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Done(code, out.getvalue(), errors.getvalue())


@pytest.mark.parametrize("command", [command for command in ALL if listed(command.text)], ids=str)
def test_what_is_not_run_is_still_right(command: Command) -> None:
    why = listed(command.text)
    assert why is not None
    assert not why.test or (ROOT / why.test).is_file()
    for words in simple_commands(command.text):
        match words:
            case ["topicidx", *arguments] if arguments:
                parse(arguments)
            case ["pip", "install", *packages]:
                extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                named = {extra for package in packages for extra in re.findall(r"topicidx\[(.*)\]", package)}
                assert {extra for names in named for extra in names.split(",")} <= extras.keys(), command
            case ["make", target]:
                subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
            case ["torchrun", *arguments] if "--no-python" in arguments:
                program = arguments.index("topicidx")
                assert arguments[program - 1] == "--no-python", command
                parse(arguments[program + 1 :])
            case ["torchrun", *arguments]:
                assert find_spec(arguments[arguments.index("-m") + 1]), command


def simple_commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell line, without the variables set for it."""
    text = re.sub(r"\$\(.*?\)", "x", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            while words and re.match(r"[A-Za-z_]\w*=", words[0]):
                words = words[1:]
            if words:
                yield words
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize("document", documents())
def test_commands_within_the_text_have_no_wrong_options(document: str) -> None:
    for text in inline_commands(document):
        parse(shlex.split(text)[1:], whole=False)


def test_what_is_listed_is_in_some_document_or_is_a_program_of_its_own() -> None:
    texts = [command.text for command in ALL]
    unused = [pattern for pattern in LISTED if not any(fnmatchcase(text, pattern) for text in texts)]
    assert [pattern for pattern in unused if "topicidx" in pattern.lower()] == []
    places = {(command.document, command.section) for command in ALL}
    assert [place for place in (*SCENARIOS, *APPENDED) if place not in places] == []
    assert [text for text in (*BEFORE, *ELSEWHERE) if text not in texts] == []


@pytest.mark.parametrize("broken", ["topicidx query sunrise --limitt 3", "topicidx querry sunrise", "topicidx ingest"])
def test_a_command_that_is_wrong_is_noticed(broken: str, searched: Path, double: QdrantDouble) -> None:
    with pytest.raises(ValueError, match=r"no option|no command|Missing argument"):
        parse(shlex.split(broken)[1:])
    assert run(broken, searched, double).code == 2


def test_what_serves_is_started_asked_and_stopped(searched: Path, tmp_path: Path) -> None:
    """The two ways of README.md to serve, and the two ways to ask, one after the other."""
    typed = [command.text for command in commands("README.md") if command.section.startswith("In a browser")]
    alone, ask_alone, guarded, ask_guarded = (text for text in typed if not text.startswith("pip"))
    program = tmp_path / "topicidx"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m topicidx "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    answers = []
    with served(searched, alone, tmp_path) as (address, _):
        answers.append(asked(ask_alone, address))
    with served(searched, guarded, tmp_path) as (address, token):
        answers.append(asked(ask_guarded, address, TOPICIDX_TOKEN=token))
    assert answers[0]["results"]
    assert {"cities"} <= answers[1].keys()


@contextlib.contextmanager
def served(folder: Path, text: str, programs: Path) -> Iterator[tuple[str, str]]:
    """A command that serves, on any port that is free: its address, and the token that the shell made."""
    before, _, after = text.partition("topicidx serve")
    script = f'{before or ":"}; export TOPICIDX_TOKEN; echo "$TOPICIDX_TOKEN"; exec topicidx serve {after} --port 0'
    with subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=without_settings() | {"PATH": f"{programs}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            token = process.stdout.readline().strip()
            address = process.stdout.readline().strip()
            assert address, process.communicate(timeout=120)[1]
            yield address, token
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 143, errors
        finally:
            process.kill()


def asked(text: str, address: str, **env: str) -> dict[str, object]:
    """What curl gets from `address` in place of that of the document."""
    port = address.rstrip("/").rpartition(":")[2]
    text = re.sub(r"http://[\w.]+:8000", f"http://127.0.0.1:{port}", text).replace("curl ", "curl --silent --fail ")
    done = subprocess.run(
        ["bash", "-c", text], env=os.environ | env, capture_output=True, text=True, check=True, timeout=120
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def copied(folder: Path, target: Path, *left_out: str) -> Path:
    """A copy of a reader's folder, whose sources are those of the copy."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*left_out))
    roots = target / ".topicidx" / "store" / FILE_NAME
    if roots.is_file():
        roots.write_text(roots.read_text(encoding="utf-8").replace(str(folder), str(target)), encoding="utf-8")
    return target


def keep_lines(table: Path, count: int) -> None:
    """Fewer rows, for fewer pictures to learn from."""
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:count]), encoding="utf-8")


def _taken(year: int, month: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = f"{year}:{month:02}:15 12:00:00"
    return exif.tobytes()
