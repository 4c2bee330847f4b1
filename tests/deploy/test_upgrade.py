"""A new topic space without downtime, as docs/operations.md has it: another collection beside the first, and both are served."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx

from topicidx.embedders.topic_space import TopicSpace
from topicidx.indexer.index import Index
from topicidx.service.app import create_app
from topicidx.service.options import ServiceOptions
from topicidx.service.service import Service
from topicidx.settings import Settings


def test_the_old_space_answers_until_the_new_one_does(home: Path, other_space: TopicSpace, tmp_path: Path) -> None:
    own = Path(shutil.copytree(home, tmp_path / "own"))
    new = Path(shutil.copytree(tmp_path / "other_space", own / ".topicidx" / "spaces" / "2027"))
    old_one = Service(Settings.load(home=own), ServiceOptions())
    before = asyncio.run(_asked(old_one))
    with Index.open(settings=Settings.load(home=own, space=new, collection="photos-2027")) as index:
        index.ingest(home / "photos")
    assert asyncio.run(_asked(old_one)) == before
    new_one = Service(Settings.load(home=own, space=new, collection="photos-2027"), ServiceOptions())
    after = asyncio.run(_asked(new_one))
    assert asyncio.run(_asked(old_one)) == before
    for service in (old_one, new_one):
        service.close()
    assert before["ready"]
    assert after["ready"]
    assert before["found"].keys() == after["found"].keys()
    assert before["found"] != after["found"]  # of another space: pictures are seen in another way


async def _asked(service: Service) -> dict[str, Any]:
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        ready = (await client.get("/readyz")).json()
        found = (await client.get("/api/search", params={"q": "beach"})).json()["results"]
    return {"ready": ready["ready"], "found": {hit["image"]: hit["score"] for hit in found}}
