"""Instagram's export of one's own data, in JSON: posts with their captions, times and places."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from topicidx.embedders.pictures import SUFFIXES
from topicidx.errors import SourceError
from topicidx.indexer.sources.table import Entry
from topicidx.post import JsonValue

#: Where exports of different years have their posts, below the folder that was unpacked.
_POSTS = (
    "your_instagram_activity/media/posts_*.json",
    "your_instagram_activity/content/posts_*.json",
    "content/posts_*.json",
    "your_instagram_activity/media/archived_posts.json",
    "your_instagram_activity/content/archived_posts.json",
    "content/archived_posts.json",
)


def posts_files(folder: Path) -> list[Path]:
    """The files of an export that tell of posts; none where the folder is no export."""
    return [path for pattern in _POSTS for path in sorted(folder.glob(pattern))]


def read_export(folder: Path) -> Iterator[tuple[str, Entry]]:
    """The pictures of all posts by their path below the folder, with the caption of the post; videos are left out.

    Payload: `posted_at` (ISO 8601, UTC), and `latitude` and `longitude` where the export tells them. Raises SourceError for a
    file that is none of an export.
    """
    for path in posts_files(folder):
        try:
            posts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} cannot be read as a part of Instagram's export: {error}") from error
        if isinstance(posts, dict):  # {"ig_archived_post_media": [...]}, or one post alone
            lists = [value for value in posts.values() if isinstance(value, list)]
            posts = [posts] if "media" in posts or not lists else lists[0]
        for post in posts if isinstance(posts, list) else []:
            yield from _pictures(post)


def _pictures(post: Any) -> Iterator[tuple[str, Entry]]:
    media = post.get("media") if isinstance(post, dict) else None
    media = [item for item in media if isinstance(item, dict)] if isinstance(media, list) else []
    of_post = _text(post.get("title")) if isinstance(post, dict) else ""
    for item in media:
        uri = item.get("uri")
        if not isinstance(uri, str) or PurePosixPath(uri).suffix.lower() not in SUFFIXES:
            continue
        caption = _text(item.get("title")) or of_post or (_text(media[0].get("title")) if media else "")
        payload: dict[str, JsonValue] = {}
        taken = item.get("creation_timestamp") or post.get("creation_timestamp")
        if isinstance(taken, int | float) and 0 < taken < 2**33:
            payload["posted_at"] = datetime.fromtimestamp(taken, UTC).isoformat()
        payload |= _place(item)
        yield _text(uri), Entry([caption] if caption else [], None, payload)


def _place(item: dict[str, Any]) -> dict[str, JsonValue]:
    metadata = item.get("media_metadata")
    photo = metadata.get("photo_metadata") if isinstance(metadata, dict) else None
    for facts in photo.get("exif_data") or [] if isinstance(photo, dict) else []:
        where = {name: facts.get(name) for name in ("latitude", "longitude")} if isinstance(facts, dict) else {}
        if where and all(isinstance(value, int | float) for value in where.values()):
            return where
    return {}


def _text(written: Any) -> str:
    """Text as it was meant: the export has each byte of UTF-8 as a character of its own."""
    if not isinstance(written, str):
        return ""
    try:
        return written.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return written.encode("utf-8", "replace").decode("utf-8").strip()
