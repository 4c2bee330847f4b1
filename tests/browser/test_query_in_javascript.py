"""The query language of the page is that of the index: both read and write the same."""

import json
import random
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from topicidx.errors import QuerySyntaxError
from topicidx.indexer.query_language import parse_query

QUERY_JS = Path(str(files("topicidx.service").joinpath("static", "query.js")))
TEXTS = (
    "sunrise beach", "sunrise^2 -people", '"ice cream" beach', 'city:london -city:"são paulo" x', "like:photos/a.jpg^.5 y",
    "-like:6a2f0a4c-5c1e-5d0f-9b3e-7d4d3f0a1b2c^0.5", "after:2023 before:2024-07 dog", 'like:"my \\"best\\" tree.jpg"',
    "CITY:Rome z", "it's #beach c++ a-b -a-b", '"a\\\\b"^3', "snow^100", "snow^0.001", "snow^1.0", "x\u00a0y\u2003z", "naïve",
    "día 夕日", "a:", "city:", "-", "^2", "snow^0", "snow^101", "snow^-1", '"open', '""', '" "', "city:x^2", "-before:2020",
    "taken:2020", "http://a/b", "a^", "a^1e2", '"a"b', "--a", 'a"b', "½:x", "a1:b", "_:b", "", "  ", "like:", 'city:a"b', "²:x",
)  # fmt: skip
PIECES = (
    "a", "dog", "é", "-", "^", '"', ":", " ", "  ", "2", "^2", ".5", "\\", "city:", "like:", "after:2020", "x:", "\t",
    "'", "/", "\u2009",
)  # fmt: skip
PROGRAM = """
import { formatQuery, parseQuery, NoQuery } from %s;
const read = (text) => {
  try { return formatQuery(parseQuery(text)); } catch (error) { if (error instanceof NoQuery) return null; throw error; }
};
let input = "";
for await (const chunk of process.stdin) input += chunk;
console.log(JSON.stringify(JSON.parse(input).map(read)));
"""


def _in_python(text: str) -> str | None:
    try:
        return str(parse_query(text))
    except QuerySyntaxError:
        return None


def test_both_read_queries_alike() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js here")
    chance = random.Random(5)
    texts = [*TEXTS, *("".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(5_000))]
    done = subprocess.run(
        [node, "--input-type=module", "-e", PROGRAM % json.dumps(QUERY_JS.as_uri())],
        input=json.dumps(texts), capture_output=True, text=True, check=True,
    )  # fmt: skip
    in_javascript = json.loads(done.stdout)
    # Nothing at all is no query, but the page has that too; and times are left to the server.
    expected = ["" if not text.strip() else _in_python(text) for text in texts]
    timeless = [place for place, text in enumerate(texts) if "after:2020" not in text or expected[place] is not None]
    assert sum(text is not None for text in expected) > 500
    assert [in_javascript[place] for place in timeless] == [expected[place] for place in timeless]
