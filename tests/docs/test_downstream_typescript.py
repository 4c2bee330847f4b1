"""What docs/downstream.md says in TypeScript passes the compiler, asks what the Python asks, and finds the same."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")

PROJECT = Path(__file__).parents[1] / "typescript"
#: What each of the document's results is called in TypeScript and in Python, and where its points are.
RESULTS = {
    "oneWord.points": "one_word",
    "both.points": "both",
    "weighed.points": "weighed",
    "without.points": "without",
    "sure": "sure",
    "mean.points": "mean",
    "filtered.points": "filtered",
    "more.points": "more",
}

Compile = Callable[[str], Path]


@pytest.fixture
def compile_script(tmp_path: Path) -> Compile:
    """compile_script(source) type-checks a module against the real client, and gives the JavaScript file."""
    node = Path(os.environ.get("TOPICIDX_TEST_NODE", Path(sys.prefix) / "node"))
    if not (node / "node_modules" / "@qdrant" / "js-client-rest").is_dir():
        pytest.skip(f"no Qdrant client for TypeScript in {node}/node_modules (see TOPICIDX_TEST_NODE)")
    if shutil.which("node") is None:
        pytest.skip("no Node.js here")

    def compile_script(source: str) -> Path:
        for name in ("package.json", "tsconfig.json"):
            shutil.copy(PROJECT / name, tmp_path)
        (tmp_path / "node_modules").symlink_to(node / "node_modules")
        (tmp_path / "main.ts").write_text(source, encoding="utf-8")
        done = subprocess.run(
            [node / "node_modules" / ".bin" / "tsc", "-p", tmp_path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path / "built" / "main.js"

    return compile_script


def test_the_snippets_pass_the_compiler_together(snippets: Callable[[str], list[str]], compile_script: Compile) -> None:
    compile_script("\n".join(snippets("typescript")))


def test_the_compiler_refuses_what_the_client_does_not_know(compile_script: Compile) -> None:
    source = (
        'import type { Schemas } from "@qdrant/js-client-rest";\nexport const one: Schemas["Prefetch"] = { depth: 1 };'
    )
    with pytest.raises(AssertionError, match="depth"):
        compile_script(source)


@pytest.mark.parametrize("weights", [{"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 0.5, "c": -1}])
def test_requests_are_those_of_the_python(
    snippets: Callable[[str], list[str]], names: dict[str, Any], compile_script: Compile, weights: dict[str, float]
) -> None:
    blocks = snippets("typescript")
    functions = next(block for block in blocks if "function allOf" in block)
    constants = re.findall(r"^const [A-Z]+ = .*$", "\n".join(blocks), re.MULTILINE)
    where = {"must": [{"key": "city", "match": {"value": "london"}}]}
    call = f"allOf(new Map(Object.entries({json.dumps(weights)})), {{ depth: 300, limit: 7, filter: {json.dumps(where)} }})"
    script = compile_script(
        "\n".join(
            [
                'import type { Schemas } from "@qdrant/js-client-rest";',
                *constants,
                functions,
                f"console.log(JSON.stringify({call}));",
            ]
        )
    )
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == names["all_of"](weights, 300, 7, where)


def test_a_server_gives_the_snippets_what_the_python_finds(
    snippets: Callable[[str], list[str]], names: dict[str, Any], compile_script: Compile, server: Any
) -> None:
    shown = ", ".join(f"{json.dumps(python)}: {typescript}" for typescript, python in RESULTS.items())
    script = compile_script(
        server.adapted("\n".join(snippets("typescript")))
        + "console.log(JSON.stringify({"
        + shown
        + ", words: Object.fromEntries(words), cities: cities.hits, by_city: byCity.groups, points_count }));\n"
    )
    done = subprocess.run(
        ["node", script], env=os.environ | {"QDRANT_URL": server.url}, capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["words"] == names["words"]
    assert answers["points_count"] == names["info"].points_count
    assert {hit["value"]: hit["count"] for hit in answers["cities"]} == {
        hit.value: hit.count for hit in names["cities"].hits
    }
    groups = {group.id: group.hits for group in names["by_city"].groups}
    pairs = [(answers[name], names[name]) for name in RESULTS.values()]
    pairs += [(group["hits"], groups[group["id"]]) for group in answers["by_city"]]
    for found, expected in pairs:
        assert [point["id"] for point in found] == [point.id for point in expected]
        assert [point["score"] for point in found] == pytest.approx([point.score for point in expected], rel=1e-4)
