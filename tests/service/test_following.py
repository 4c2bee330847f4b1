"""The service follows what ingests and trainings put in the place of what it opened, without a restart."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import pytest

from doubles.colour import ColourImageEncoder
from doubles.qdrant import QdrantDouble
from doubles.services import Serving
from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace, write_topic_space
from topicidx.errors import SpaceMismatchError
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.index import Index
from topicidx.indexer.keys import point_id
from topicidx.service import live_index
from topicidx.service.live_index import LiveIndex, OpenIndex
from topicidx.settings import Settings

SEARCH = "/api/search?q=sunrise&limit=200"
Replace = Callable[[], TopicSpace]


def add_picture(home: Path, key: str) -> UUID:
    """Publish a generation with one more point."""
    space = TopicSpace.load(home / ".topicidx" / "space")
    vector = np.full((1, space.dimensions), 1 / space.dimensions, dtype=np.float32)
    with EmbeddedStore.writer(home / ".topicidx" / "store", "photos", space.vector_space, space.dimensions) as writer:
        writer.upsert([point_id(key)], vector, [{"image": key, "city": "rome", "city_label": "Rome"}])
        writer.publish()
    return point_id(key)


def generation(opened: OpenIndex) -> str:
    return opened.index.store.info().generation


@pytest.fixture
def live(own_home: Path) -> LiveIndex:
    return LiveIndex(Settings.load(home=own_home))


@pytest.fixture
def replace_space(own_home: Path, text_encoder: LdaTextEncoder) -> Replace:
    """Puts a topic space that sees pictures in another way in the place of the one there is."""

    def replace() -> TopicSpace:
        folder = own_home / ".topicidx" / "space"
        encoder = TopicSpace.load(folder).image_encoder
        assert isinstance(encoder, ColourImageEncoder)
        return write_topic_space(folder, text_encoder, ColourImageEncoder(255 - encoder.colours, encoder.topics))

    return replace


def test_a_new_generation_is_seen_by_the_next_request(own_home: Path, serving: Serving) -> None:
    with serving(own_home) as client:
        before = client.get("/readyz").json()
        assert (before["ready"], before["pictures"]) == (True, 60)
        assert client.get("/api/facets").json()["pictures"] == 60
        new = add_picture(own_home, "photos/new.jpg")
        assert client.get(f"/api/pictures/{new}").status_code == 200
        facets = client.get("/api/facets").json()
        assert facets["pictures"] == 61
        assert {"city": "rome", "label": "Rome", "count": 1} in facets["cities"]
        assert len(client.get(SEARCH).json()["results"]) == 61
        after = client.get("/readyz").json()
        assert (after["ready"], after["generation"] != before["generation"]) == (True, True)


def test_what_has_begun_ends_on_the_generation_that_it_began_with(own_home: Path, live: LiveIndex) -> None:
    def outer(old: OpenIndex) -> tuple[str, str, int]:
        add_picture(own_home, "photos/new.jpg")
        new = live.answer(generation)
        return generation(old), new, len(old.index.search("sunrise", limit=200))

    old, new, pictures = live.answer(outer)
    assert old < new
    assert pictures == 60
    assert live.answer(generation) == new
    live.close()


def test_an_old_generation_is_closed_when_its_last_answer_is_given(
    own_home: Path, live: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = Index.close
    monkeypatch.setattr(Index, "close", lambda self: (closed.append(self.store.info().generation), close(self))[1])

    def outer(old: OpenIndex) -> str:
        add_picture(own_home, "photos/new.jpg")
        live.answer(generation)
        assert closed == []
        return generation(old)

    old = live.answer(outer)
    assert closed == [old]
    live.close()
    assert len(closed) == 2


def test_a_topic_space_that_does_not_fit_is_told_until_the_pictures_are_ingested_again(
    own_home: Path, serving: Serving, replace_space: Replace
) -> None:
    with serving(own_home) as client:
        assert client.get(SEARCH).status_code == 200
        replace_space()
        answer = client.get(SEARCH)
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "SpaceMismatchError"
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "ingest the pictures again" in ready.json()["problem"]
        assert client.get("/healthz").status_code == 200
        assert "topicidx_ready 0.0" in client.get("/metrics").text
        with Index.open(own_home) as index:
            index.ingest(own_home / "photos", name="again")
        assert client.get(SEARCH).status_code == 200
        assert client.get("/readyz").json()["ready"]
        assert "topicidx_ready 1.0" in client.get("/metrics").text


def test_an_answer_is_computed_again_where_the_topic_space_was_replaced_meanwhile(
    own_home: Path, live: LiveIndex, text_encoder: LdaTextEncoder, replace_space: Replace
) -> None:
    folder = own_home / ".topicidx" / "space"
    asked: list[OpenIndex] = []

    def call(opened: OpenIndex) -> float:
        asked.append(opened)
        if len(asked) == 1:  # better words, for the same vectors
            encoder = opened.index.space.image_encoder
            average = np.full(encoder.dimensions, 1 / encoder.dimensions, dtype=np.float32)
            write_topic_space(folder, text_encoder, encoder, average_picture=average)
        return opened.index.search("sunrise")[0].score

    score = live.answer(call)
    assert len(asked) == 2
    assert asked[0].index.space.query_side != asked[1].index.space.query_side
    with Index.open(own_home) as index:
        assert score == index.search("sunrise")[0].score

    def replaced(opened: OpenIndex) -> float:
        asked.append(opened)
        replace_space()
        return opened.index.search("sunrise")[0].score

    with pytest.raises(SpaceMismatchError):
        live.answer(replaced)
    assert len(asked) == 3
    live.close()


def test_a_store_that_breaks_leaves_the_answers_that_there_were(own_home: Path, serving: Serving) -> None:
    pointer = own_home / ".topicidx" / "store" / "photos" / "current.json"
    written = pointer.read_text()
    with serving(own_home) as client:
        pointer.write_text("{")
        assert client.get("/readyz").status_code == 503
        assert len(client.get(SEARCH).json()["results"]) == 60
        pointer.write_text(written)
        assert client.get("/readyz").json()["ready"]


def test_pictures_that_were_moved_are_found(own_home: Path, serving: Serving, topicidx: Callable[..., object]) -> None:
    with serving(own_home) as client:
        address = f"/api/pictures/{point_id('photos/07.jpg')}/file"
        first = client.get(address)
        (own_home / "photos").rename(own_home / "elsewhere")
        topicidx("relocate", "photos", own_home / "elsewhere", "--home", own_home)
        (own_home / "elsewhere" / "07.jpg").write_bytes(b"others")
        second: httpx.Response = client.get(address)
        assert (first.status_code, second.content) == (200, b"others")


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
def test_a_server_is_asked_now_and_then_for_another_generation(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ingested(settings: Settings, **options: bool) -> None:
        with Index.open(settings=settings) as index:
            index.ingest(own_home / "photos", name="served", **options)

    with QdrantDouble() as double:
        settings = Settings.load(home=own_home, store=double.url, server={"grpc_port": double.port})
        ingested(settings)
        live = LiveIndex(settings)
        first = live.answer(generation)
        ingested(settings, rebuild=True)
        assert live.answer(generation) == first
        live.close()
        monkeypatch.setattr(live_index, "ASK_SERVER", 0.0)
        live = LiveIndex(settings)
        second = live.answer(generation)
        ingested(settings, rebuild=True)
        third = live.answer(generation)
        assert len({first, second, third}) == 3
        assert len(live.answer(lambda opened: opened.index.search("sunrise", limit=200))) == 60
        live.close()
