"""The notebooks of examples/ run from their first cell to their last, and are kept without what they printed."""

import re
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
EXAMPLES = Path(__file__).parents[2] / "examples"


def read(name: str) -> Any:
    return nbformat.read(EXAMPLES / name, as_version=4)


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.ipynb"))])
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs"), cell.source
        assert cell.get("execution_count") is None, cell.source


@pytest.mark.filterwarnings("default")  # those of the kernel's own libraries, in the process that drives it
def test_from_a_folder_to_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = read("folder_to_plot.ipynb")
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    parameters.source = "PICTURES, SIZE, EPOCHS = 120, 60, 2"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 5
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "120 pictures indexed; the best for sunrise beach" in printed
    assert re.search(r"\d+ of the first 12 show both", printed)
    assert not [output for output in outputs if output.get("name") == "stderr" and "Traceback" in output.text]
