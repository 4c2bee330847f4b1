"""The images: the Dockerfile is one that hadolint passes, is sent all that it copies, and the small one has all that it needs."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from doubles.deployed import DEPLOY, ROOT, Tool

#: What a distribution is called in `import`, where that is another name.
IMPORTED = {"ir-measures": "ir_measures", "scikit-learn": "sklearn"}


@pytest.fixture(scope="module")
def requirements() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serving_requirements", DEPLOY / "serving_requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def metadata() -> str:
    """METADATA of a wheel, as pyproject.toml will have it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    for extra, needed in project["optional-dependencies"].items():
        lines += [f"Requires-Dist: {requirement}; extra == '{extra}'" for requirement in needed]
    return "Metadata-Version: 2.4\nName: topicidx\nVersion: 0\n" + "\n".join(lines) + "\n\nA description.\n"


def test_hadolint_finds_nothing(tool: Tool) -> None:
    checked = tool("hadolint", DEPLOY / "Dockerfile")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_hadolint_would_find_something(tool: Tool) -> None:
    wrong = (DEPLOY / "Dockerfile").read_text().replace("USER 1000:1000", "USER root")
    assert "DL3002" in tool("hadolint", "-", stdin=wrong).stdout


def test_all_that_is_copied_is_there_and_is_sent() -> None:
    sent = {line.removeprefix("!") for line in _lines(DEPLOY / "Dockerfile.dockerignore") if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == sent
    assert all((ROOT / name).exists() for name in names)


def test_the_packages_of_the_wheel_are_copied() -> None:
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    assert set(folders) <= set(_lines(DEPLOY / "Dockerfile.dockerignore", strip="!"))


def test_every_image_ends_as_an_ordinary_user() -> None:
    stages = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    runtime = next(stage for stage in stages if stage.splitlines()[0].endswith("AS runtime"))
    finals = [stage for stage in stages if stage.startswith("runtime ")]
    assert [stage.split()[2] for stage in finals] == ["full", "query"]
    assert "\nUSER 1000:1000\n" in runtime
    assert "\nHEALTHCHECK " in runtime
    assert not any("USER" in stage for stage in finals)


def test_requirements_for_serving_leave_out_what_learns(requirements: ModuleType, metadata: str) -> None:
    found = list(requirements.serving_requirements(metadata))
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in found}  # type: ignore[index]
    assert {"qdrant-client", "numpy", "fastapi", "uvicorn", "prometheus-client"} <= names
    assert not names & (requirements.LEARNING | {"pytest", "pyarrow", "topicidx"})


def test_requirements_that_are_not_known_any_more_are_told(requirements: ModuleType, metadata: str) -> None:
    without = metadata.replace("gensim>=", "gensum>=")
    with pytest.raises(ValueError, match="does not require gensim"):
        list(requirements.serving_requirements(without))


def test_what_is_no_wheel_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty.whl"
    with zipfile.ZipFile(empty, "w"):
        pass
    for path in (empty, tmp_path / "absent.whl", DEPLOY / "Dockerfile"):
        told = subprocess.run(
            [sys.executable, DEPLOY / "serving_requirements.py", path], capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stdout) == (1, "")
        assert "is no wheel" in told.stderr


def test_the_small_image_searches_and_serves(requirements: ModuleType, home: Path) -> None:
    """With all imports refused that the image lacks: a query, a search over HTTP, a page, thumbnails and metrics."""
    refused = sorted(IMPORTED.get(name, name) for name in requirements.LEARNING)
    asked = subprocess.run(
        [sys.executable, "-c", _WITHOUT_LEARNING, json.dumps(refused), home],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split()[-6:] == ["200", "200", "200", "200", "200", "503"]


#: The last answer is that to an uploaded picture, which takes the network.
_WITHOUT_LEARNING = """
import asyncio, json, sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Refusing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in json.loads(sys.argv[1]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusing())
import httpx
from typer.testing import CliRunner
from topicidx.cli.app import app
from topicidx.service.app import create_app
from topicidx.service.options import ServiceOptions
from topicidx.service.service import Service
from topicidx.settings import Settings

async def ask(service, home):
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/search", params={"q": "beach -dog"})
        first = answer.json()["results"][0]["id"]
        print(answer.status_code)
        for path in ("/", "/readyz", "/metrics", f"/api/pictures/{first}/thumbnail"):
            print((await client.get(path)).status_code)
        picture = next((home / "photos").iterdir()).read_bytes()
        print((await client.post("/api/similar", files={"file": ("a.jpg", picture)})).status_code)

home = Path(sys.argv[2])
found = CliRunner().invoke(app, ["query", "beach", "--home", str(home), "--format", "json"])
assert found.exit_code == 0, found.output
service = Service(Settings.load(home=home), ServiceOptions())
asyncio.run(ask(service, home))
service.close()
"""


def _lines(path: Path, strip: str = "") -> list[str]:
    return [line.removeprefix(strip) for line in path.read_text().splitlines() if line and not line.startswith("#")]
