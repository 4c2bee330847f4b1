"""What the smallest image installs: the requirements of a topicidx wheel, without those of learning and of seeing pictures.

    python deploy/serving_requirements.py topicidx-0.1.0-py3-none-any.whl > requirements.txt

Word queries, the gallery and the HTTP API need none of `LEARNING`; training, ingest, evaluation and uploaded pictures do.
"""

import argparse
import re
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

#: Distributions, by normalised name, that only training, ingest and evaluation import.
LEARNING = frozenset(
    {"gensim", "ir-measures", "matplotlib", "numba", "scikit-learn", "scipy", "spacy", "torch", "torchvision"}
)


def main() -> None:
    """Print the requirements, one a line; exit code 1 where the file is no wheel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    try:
        metadata = _metadata(wheel)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        sys.exit(f"error: {wheel} is no wheel ({error}); `python -m build --wheel` makes one")
    sys.stdout.write("".join(f"{requirement}\n" for requirement in serving_requirements(metadata)))


def serving_requirements(metadata: str) -> Iterator[str]:
    """The requirements in a wheel's METADATA that serving has: those of every installation and of the extra `serve`.

    Raises ValueError where one of `LEARNING` is no requirement at all, for then the list is out of date.
    """
    written = HeaderParser().parsestr(metadata).get_all("Requires-Dist", [])
    absent = LEARNING - {_name(requirement) for requirement in written}
    if absent:
        raise ValueError(f"it does not require {', '.join(sorted(absent))}; bring LEARNING up to date")
    for requirement in written:
        needed, _, marker = requirement.partition(";")
        if _name(requirement) not in LEARNING and marker.strip().replace("'", '"') in {"", 'extra == "serve"'}:
            yield needed.strip()


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        if len(found) != 1:
            raise ValueError("it has no METADATA")
        return archive.read(found[0]).decode("utf-8")


def _name(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


if __name__ == "__main__":
    main()
