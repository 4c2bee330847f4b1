"""What the tests of the indexer share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from topicidx.indexer import looking
from topicidx.indexer.embedded import EmbeddedStore

FillStore = Callable[..., None]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded, in their order; grows as they are."""
    names: list[str] = []
    open_picture = looking.open_picture

    def spy(path: Path, **options: Any) -> Any:
        names.append(path.name)
        return open_picture(path, **options)

    monkeypatch.setattr(looking, "open_picture", spy)
    return names


@pytest.fixture(scope="session")
def fill_store() -> FillStore:
    """fill_store(folder, ids, vectors, payloads) publishes points in an embedded store."""

    def fill_store(
        folder: Path,
        ids: Sequence[UUID],
        vectors: NDArray[np.float32],
        payloads: Sequence[Mapping[str, Any]] | None = None,
        *,
        collection: str = "photos",
        vector_space: str = "a space",
    ) -> None:
        with EmbeddedStore.writer(folder, collection, vector_space, vectors.shape[1]) as writer:
            for begin in range(0, len(ids), 1_000):
                chosen = slice(begin, begin + 1_000)
                some = [{} for _ in ids[chosen]] if payloads is None else payloads[chosen]
                writer.upsert(ids[chosen], vectors[chosen], some)
            writer.publish()

    return fill_store
