"""An LDA training in a folder that several processes share: the corpus and what to learn, then what was learned."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from topicidx.atomic import write_file
from topicidx.embedders.bundle import write_tensors
from topicidx.embedders.corpus import DIGESTS, DiskCorpus
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.vocabulary import Vocabulary
from topicidx.errors import TrainingError
from topicidx.settings import LdaSettings
from topicidx.version import __version__

JOB, VOCABULARY, RESULT, LEARNED = "job.json", "vocabulary.jsonl", "lda.safetensors", "learned.json"


class LdaJob:
    """The training in `folder`, in which a `DiskCorpus` lies."""

    def __init__(
        self, folder: Path, vocabulary: Vocabulary, normalizer: CaptionNormalizer, settings: LdaSettings, seed: int
    ) -> None:
        self.folder = folder
        self.vocabulary = vocabulary
        self.normalizer = normalizer
        self.settings = settings
        self.seed = seed

    @classmethod
    def open(cls, folder: Path) -> "LdaJob":
        """What `write` wrote. Raises TrainingError where there is no job, or it cannot be read."""
        try:
            written = json.loads((folder / JOB).read_text(encoding="utf-8"))
            return cls(
                folder,
                Vocabulary.read(folder / VOCABULARY),
                CaptionNormalizer.from_json(written["normalizer"]),
                LdaSettings(**written["settings"]),
                written["seed"],
            )
        except FileNotFoundError as error:
            raise TrainingError(
                f"{folder} is no prepared training of topics: it has no {Path(error.filename).name}; `topicidx train SOURCE "
                "--only text --prepare` makes one"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{folder / JOB} cannot be read: {error}; prepare the training again") from error

    def write(self) -> None:
        """Write what processes that are started elsewhere need beside the corpus."""
        self.vocabulary.write(self.folder / VOCABULARY)
        write_file(self.folder / JOB, json.dumps(self._described()))

    def keep(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Write what was learned."""
        (self.folder / LEARNED).unlink(missing_ok=True)
        write_tensors(self.folder / RESULT, tensors)
        write_file(self.folder / LEARNED, json.dumps(self._identity()))

    def learned(self) -> dict[str, NDArray[Any]] | None:
        """What `keep` wrote for the same documents, settings and seed; None where there is nothing."""
        try:
            if json.loads((self.folder / LEARNED).read_text(encoding="utf-8")) != self._identity():
                return None
            return load_file(self.folder / RESULT)
        except (OSError, ValueError, SafetensorError):
            return None

    @cached_property
    def corpus(self) -> DiskCorpus:
        return DiskCorpus(self.folder)

    def _described(self) -> dict[str, Any]:
        return {"normalizer": self.normalizer.to_json(), "settings": self.settings.decisive(), "seed": self.seed}

    def _identity(self) -> dict[str, Any]:
        digest = hashlib.sha256(np.load(self.folder / DIGESTS).tobytes())
        digest.update("\n".join(word.stem for word in self.vocabulary.words).encode("utf-8", "surrogatepass"))
        return self._described() | {"documents": digest.hexdigest(), "version": __version__}
