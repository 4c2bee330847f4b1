"""TokenStore: the words of a corpus on disk, in the order of its documents, taken up again where reading was stopped."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from topicidx.atomic import write_file
from topicidx.embedders.normalizer import CaptionNormalizer
from topicidx.embedders.tokens import BATCH, TokenBatch, tokenized

#: Documents after which what is read is safe: a stopped reading goes on from there.
SEGMENT = 20 * BATCH
FORMAT = 1


@dataclass(frozen=True, slots=True)
class _Segment:
    """How much the files hold with the last document of a segment, and a digest of its documents."""

    documents: int
    words: int
    forms: int
    digest: str


class TokenStore:
    """Three files that grow: how many words each document has, the words as numbers of forms, and the forms.

    Memory grows with the distinct words, not with the documents.
    """

    def __init__(self, folder: Path, normalizer: CaptionNormalizer) -> None:
        """The store in `folder`, empty where it holds nothing that this normaliser wrote."""
        self.folder = folder
        self.normalizer = normalizer
        self.forms: dict[str, int] = {}
        self._segments: list[_Segment] = []
        self._lengths, self._words, self._forms = (folder / name for name in ("lengths.i32", "words.i32", "forms.txt"))
        self._progress = folder / "reading.json"
        described = json.dumps([FORMAT, normalizer.to_json()], sort_keys=True)
        self._identity = hashlib.sha256(described.encode("utf-8")).hexdigest()

    @property
    def documents(self) -> int:
        """How many documents are read and safe."""
        return self._segments[-1].documents if self._segments else 0

    def fill(
        self,
        documents: Iterable[str],
        *,
        workers: int | None = None,
        on_read: Callable[[int], None] = lambda done: None,
    ) -> int:
        """Read `documents`; those that a stopped reading had read already are compared, but not normalised again.

        workers: processes, None for one a core. on_read is called now and then with the number of documents that are done.
        Returns how many were there already.
        """
        left = iter(documents)
        again = self._resume(left)
        resumed = done = self.documents
        digest, words = hashlib.sha256(), self._segments[-1].words if self._segments else 0
        on_read(done)
        with self._lengths.open("ab") as lengths, self._words.open("ab") as numbers, self._forms.open("ab") as forms:
            for texts, tokens in tokenized(self.normalizer, chain(again, left), workers):
                _add(digest, texts)
                lengths.write(tokens.lengths.tobytes())
                numbers.write(self._numbers(tokens, forms).tobytes())
                words += len(tokens.places)
                done += len(texts)
                if done - self.documents >= SEGMENT:
                    self._end_segment(done, words, digest.hexdigest(), lengths, numbers, forms)
                    digest = hashlib.sha256()
                on_read(done)
            if done > self.documents:
                self._end_segment(done, words, digest.hexdigest(), lengths, numbers, forms)
        return resumed

    def lengths(self) -> NDArray[np.int32]:
        """int32 (documents,): how many words each document has."""
        return mapped(self._lengths)

    def words(self) -> NDArray[np.int32]:
        """int32 (words,): the form of each word of each document, by its number."""
        return mapped(self._words)

    def _numbers(self, tokens: TokenBatch, file: BinaryIO) -> NDArray[np.int32]:
        numbers = np.empty(len(tokens.forms), dtype=np.int32)
        for place, form in enumerate(tokens.forms):
            number = self.forms.get(form)
            if number is None:
                number = self.forms[form] = len(self.forms)
                file.write(_line(form))
            numbers[place] = number
        return numbers[tokens.places]

    def _end_segment(self, documents: int, words: int, digest: str, *files: BinaryIO) -> None:
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        self._segments.append(_Segment(documents, words, len(self.forms), digest))
        written = {"identity": self._identity, "segments": [asdict(segment) for segment in self._segments]}
        write_file(self._progress, json.dumps(written))

    def _resume(self, left: Iterator[str]) -> list[str]:
        """Take from `left` what is read already, as far as the documents are the same; returns those that differ."""
        self._segments, differing = [], list[str]()
        for segment in self._written():
            texts = list(islice(left, segment.documents - self.documents))
            digest = hashlib.sha256()
            _add(digest, texts)
            if digest.hexdigest() != segment.digest:
                differing = texts
                break
            self._segments.append(segment)
        end = self._segments[-1] if self._segments else _Segment(0, 0, 0, "")
        _shorten(self._lengths, end.documents * 4)
        _shorten(self._words, end.words * 4)
        with self._forms.open("a+b") as file:
            file.seek(0)
            lines = list(islice(file, end.forms))
        _shorten(self._forms, sum(map(len, lines)))
        self.forms = {line[:-1].decode("utf-8", "surrogatepass"): number for number, line in enumerate(lines)}
        return differing

    def _written(self) -> list[_Segment]:
        try:
            written = json.loads(self._progress.read_text(encoding="utf-8"))
            segments = [_Segment(**segment) for segment in written["segments"]]
            sizes = self._lengths.stat().st_size, self._words.stat().st_size, self._forms.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):  # nothing was read here, or not by this version
            return []
        whole = all(
            sizes[0] >= segment.documents * 4 and sizes[1] >= segment.words * 4 and sizes[2] >= segment.forms
            for segment in segments
        )
        return segments if whole and written.get("identity") == self._identity else []


def _line(form: str) -> bytes:
    return form.encode("utf-8", "surrogatepass") + b"\n"


def _add(digest: "hashlib._Hash", texts: list[str]) -> None:
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
        digest.update(b"\x00")


def _shorten(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.truncate(size)


def mapped(path: Path) -> NDArray[np.int32]:
    """The whole numbers in the file `path`, int32 (n,), not read before they are used."""
    return np.memmap(path, dtype=np.int32, mode="r") if path.stat().st_size else np.empty(0, dtype=np.int32)
