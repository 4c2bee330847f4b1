"""What the tests of deploy/ share by name."""

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

#: tool("hadolint", ...) runs a program of the virtual environment or of the machine, or skips the test.
Tool = Callable[..., subprocess.CompletedProcess[str]]
