"""What `topicidx query` shows: tables as wide as the terminal, pictures in it, pages, and terminals of little ability."""

import base64
import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image
from rich.cells import cell_len

from doubles.html_page import Page

Run = Callable[..., subprocess.CompletedProcess[str]]
#: What a terminal answers when it is asked for what it can, and to kitty's question.
SIXEL = {b"\x1b[c": b"\x1b[?62;4;22c"}
KITTY = {b"\x1b[c": b"\x1b[?62;22c", b"a=q": b"\x1b_Gi=1;OK\x1b\\"}
NOTHING = {b"\x1b[c": b"\x1b[?62;22c", b"a=q": b"\x1b[?"}
ESCAPES = re.compile(r"\x1b\]8;.*?\x1b\\|\x1b\[[0-9;?]*[a-zA-Z]|\x1b_G.*?\x1b\\", re.DOTALL)


@pytest.fixture
def terminal(workspace: Path) -> Callable[..., str]:
    """Runs `topicidx query` in a terminal of its own. -> all that it wrote there."""

    def run(
        *arguments: object, columns: int = 100, answers: Mapping[bytes, bytes] = NOTHING, fails: bool = False,
        stdin: int | None = None, **env: str,
    ) -> str:  # fmt: skip
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, columns * 10, 800))
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TOPICIDX_", "TERM_PR", "LC_T", "COLUMNS", "LINES"))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "topicidx", "query", *map(str, arguments)],
            stdin=theirs if stdin is None else stdin, stdout=theirs, stderr=theirs, cwd=workspace, start_new_session=True,
            env=inherited | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1"} | env,
        )  # fmt: skip
        os.close(theirs)
        written = b""
        try:
            while True:
                ready, _, _ = select.select([ours], [], [], 60)
                assert ready, f"nothing came for a minute after {written!r}"
                try:
                    piece = os.read(ours, 65_536)
                except OSError:  # Linux says so when the other side is closed
                    break
                if not piece:
                    break
                for question, answer in answers.items():
                    if question in piece:
                        os.write(ours, answer)
                written += piece
        finally:
            os.close(ours)
            code = process.wait()
        assert (code != 0) == fails, written
        return written.decode().replace("\r\n", "\n")

    return run


Terminal = Callable[..., str]


def _plain(text: str) -> list[str]:
    return [line.rstrip() for line in ESCAPES.sub("", text).splitlines()]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_shows_every_picture_whole_however_wide_the_terminal_is(terminal: Terminal, columns: int) -> None:
    lines = _plain(terminal("sunrise", "--limit", 4, columns=columns))
    assert max(map(cell_len, lines)) <= columns
    starts = [line for line in lines if re.match(r" *\d+ +\d", line)]
    assert [line.split()[0] for line in starts] == ["1", "2", "3", "4"]
    assert "".join(line.strip() for line in lines).count(".jpg") == 4 if columns > 40 else True
    assert (len(lines) == 5) == (columns == 200)


def test_colour_and_links_are_for_terminals_that_want_them(terminal: Terminal, workspace: Path) -> None:
    coloured = terminal("sunrise", "--limit", 2, columns=200)
    assert "\x1b[36m" in coloured
    assert "\x1b]8;id=" in coloured
    assert "file:///" in coloured
    plain = terminal("sunrise", "--limit", 2, columns=200, NO_COLOR="1")
    assert re.search(r"\x1b\[[0-9;]*3\dm", plain) is None
    assert _plain(plain) == _plain(coloured)


def test_an_encoding_that_lacks_characters_gets_escapes_and_programs_get_json(
    terminal: Terminal, topicidx: Run, workspace: Path
) -> None:
    lines = _plain(terminal("sunrise", "--limit", 40, columns=120, PYTHONUTF8="0", PYTHONIOENCODING="ascii"))
    assert all(line.isascii() for line in lines)
    assert len(lines) == 41
    done = topicidx("query", "sunrise", "--limit", 160, "--format", "json", cwd=workspace, PYTHONIOENCODING="ascii")
    whole = topicidx("query", "sunrise", "--limit", 160, "--format", "json", cwd=workspace, PYTHONIOENCODING="utf-8")
    assert done.stdout.isascii()
    assert not whole.stdout.isascii()
    assert json.loads(done.stdout) == json.loads(whole.stdout)


def test_pictures_are_drawn_by_what_the_terminal_says_it_can(terminal: Terminal) -> None:
    sixel = terminal("sunrise", "--limit", 3, "--preview", answers=SIXEL)
    assert len(re.findall(r"\x1bP[0-9;]*q.*?\x1b\\", sixel, re.DOTALL)) == 3
    kitty = terminal("sunrise", "--limit", 3, "--preview", answers=KITTY)
    assert len(re.findall(r"\x1b_Ga=p", kitty)) == 3
    assert "\U0010eeee" in kitty
    blocks = terminal("sunrise", "--limit", 3, "--preview")
    assert blocks.count("▀") > 300
    assert "\x1b[38;2;" in blocks
    for shown in (sixel, kitty, blocks):
        text = " ".join(_plain(shown))
        assert re.search(r"1 \d\.\d+ .*2 \d\.\d+ .*3 \d\.\d+", text), text


def test_iterm2_gets_files_that_are_the_pictures(terminal: Terminal) -> None:
    shown = terminal("sunrise", "--limit", 3, "--preview", TERM_PROGRAM="iTerm.app", NO_COLOR="1")
    files = re.findall(r"\x1b\]1337;File=inline=1;size=(\d+);width=\d+;height=\d+:([A-Za-z0-9+/=]+)\x07", shown)
    assert len(files) == 3
    for size, coded in files:
        data = base64.b64decode(coded)
        assert len(data) == int(size)
        assert Image.open(io.BytesIO(data)).size == (96, 96)
    # Each goes up to the place left for it, and comes back down as far.
    assert re.findall(r"\x1b\[(\d+)A", shown) == re.findall(r"\x1b\[(\d+)B", shown)


def test_without_colour_blocks_are_shades_and_a_setting_names_the_way(terminal: Terminal) -> None:
    shades = terminal("sunrise", "--limit", 2, "--preview", NO_COLOR="1", TOPICIDX_PREVIEW="blocks")
    assert set("░▒▓█") & set(shades)
    assert "▀" not in shades
    assert "\x1b[c" not in shades, "a terminal whose way is known is not asked"


def test_where_nothing_can_be_drawn_the_table_is_shown_and_says_why(
    terminal: Terminal, topicidx: Run, workspace: Path
) -> None:
    done = topicidx("query", "sunrise", "--limit", 2, "--preview", cwd=workspace)
    assert done.returncode == 0
    assert "in a terminal only; here is the table" in done.stderr
    assert done.stdout == topicidx("query", "sunrise", "--limit", 2, cwd=workspace).stdout
    poor = terminal("sunrise", "--limit", 2, "--preview", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert "iso8859-1" in poor or "latin-1" in poor
    assert "score" in poor
    assert "in a terminal only" in terminal("sunrise", "--limit", 2, "--preview", TERM="dumb")


def test_what_is_piped_in_is_not_taken_for_the_answer_of_a_terminal(terminal: Terminal) -> None:
    read, write = os.pipe()
    os.write(write, b"left alone")
    shown = terminal("sunrise", "--limit", 2, "--preview", stdin=read)
    assert shown.count("▀") > 100
    assert os.read(read, 100) == b"left alone"
    os.close(read)
    os.close(write)


def test_a_page_goes_to_stdout_a_file_or_a_browser(
    terminal: Terminal, topicidx: Run, workspace: Path, tmp_path: Path
) -> None:
    printed = topicidx("query", "sunrise", "--limit", 3, "--format", "html", cwd=workspace)
    page = Page(printed.stdout)
    assert len(page.named("img")) == 3
    assert "3 pictures, best first. Found by their pixels alone. A score says how many times" in page.text
    file = tmp_path / "sheet.html"
    done = topicidx("query", "sunrise", "--limit", 3, "--output", file, cwd=workspace)
    assert str(file) in done.stderr
    assert done.stdout == ""
    assert file.read_text(encoding="utf-8") == printed.stdout
    opened = topicidx(
        "query", "sunrise", "--open", "--match", "mean", cwd=workspace, BROWSER="echo", TMPDIR=str(tmp_path)
    )
    path = Path(re.search(r"opened (/.*\.html)", opened.stderr).group(1))  # type: ignore[union-attr]
    assert path.is_relative_to(tmp_path)
    assert path.as_uri() in opened.stdout
    assert "A score says" not in path.read_text(encoding="utf-8")
    assert "would fill the terminal: add --output FILE" in terminal("sunrise", "--format", "html", fails=True)


def test_a_page_of_groups_has_a_heading_for_each(topicidx: Run, workspace: Path) -> None:
    done = topicidx("query", "sunrise", "--group-by", "city", "--limit", 2, "--format", "html", cwd=workspace)
    assert len(re.findall(r"<h2>\w+</h2>", done.stdout)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "a.html", "--format", "json"), "are for the page of --format html, not for json"),
        (("--preview", "--format", "paths"), "--preview shows pictures in the terminal"),
        (("--output", "missing/a.html"), "cannot write missing/a.html: No such file or directory"),
        (("--preview", "--open"), "it goes without --format, --output and --open"),
    ],
)
def test_what_cannot_go_together_says_so(topicidx: Run, workspace: Path, arguments: tuple[str, ...], said: str) -> None:
    done = topicidx("query", "sunrise", *arguments, cwd=workspace)
    assert done.returncode == 2
    assert said in done.stderr
