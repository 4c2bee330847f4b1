"""The command line in processes that fork from one which has imported everything: it is as people run it, but starts at once.

What depends on how Python starts, such as its own variables or what is imported when, needs a process of its own.
"""

import atexit
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from doubles import children

#: The command line as people run it.
PROGRAM = "topicidx.cli.app"
#: What commands import sooner or later.
_IMPORTED = (
    "gensim.models", "matplotlib.pyplot", "numba", "qdrant_client", "qdrant_edge", "rich.table", "safetensors.torch",
    "scipy.sparse", "sklearn.linear_model", "torch", "torchvision", "topicidx.cli.app", "topicidx.cli.commands.demo",
    "topicidx.cli.commands.query", "topicidx.cli.commands.serve", "topicidx.embedders.training_run",
    "topicidx.indexer.ingest_run", "topicidx.indexer.train",
)  # fmt: skip


class ForkServer:
    """The process that others fork from, which starts with the first. To be closed."""

    @cached_property
    def _process(self) -> "subprocess.Popen[str]":
        tests = str(Path(__file__).parent.parent)
        return subprocess.Popen(
            [sys.executable, "-m", "doubles.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": tests, "MPLBACKEND": "agg"},
        )  # fmt: skip

    def run(
        self, arguments: list[str], cwd: Path, env: Mapping[str, str], stdin: str | None, program: str = PROGRAM
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line with these arguments. stdin: what it reads; nothing where it is None. program: the module whose
        `main` that is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("stdin", "stdout", "stderr")]
            for file in files:
                Path(file).touch()
            Path(files[0]).write_text(stdin or "", encoding="utf-8")
            request = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "files": files, "program": program}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise RuntimeError("the process that commands fork from has ended")
            output, errors = (Path(file).read_text(encoding="utf-8") for file in files[1:])
        return subprocess.CompletedProcess(arguments, json.loads(answer), output, errors)

    def close(self) -> None:
        """End the process, if anything was run."""
        if "_process" not in self.__dict__:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _serve() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    children.start()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    """Be the command line that is asked for, and end as it ends."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        tempfile.tempdir = None  # where that is follows from the variables
        for number, file in enumerate(request["files"]):
            opened = os.open(file, os.O_RDWR)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
        # Processes that are started from here must not look for the program that this one began as.
        main = sys.modules["__main__"]
        main.__spec__ = main.__package__ = None
        main.__dict__.pop("__file__", None)
        sys.argv = ["topicidx", *request["arguments"]]
        children.inherit()
        importlib.import_module(request["program"]).main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
