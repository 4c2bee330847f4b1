"""The tests of one file for another place: the same tests, with other fixtures."""

import importlib.util
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def names_of(file: str, *wanted: str) -> dict[str, Any]:
    """What a file of tests or fixtures, named by its path below tests/, defines: all of it, or what is `wanted` and fixtures."""
    path = TESTS / file
    name = "again_" + file.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    assert set(wanted) <= found.keys(), f"{file} has no {set(wanted) - found.keys()}"
    return {
        name: value for name, value in found.items() if not (wanted and name.startswith("test_") and name not in wanted)
    }
