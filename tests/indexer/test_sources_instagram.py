"""Instagram's export of one's own data."""

import json
from pathlib import Path

import pytest
from PIL import Image

from topicidx.errors import SourceError
from topicidx.indexer.sources import open_source


def as_exported(text: str) -> str:
    """Each byte of UTF-8 as a character of its own."""
    return text.encode().decode("latin-1")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    root = tmp_path / "instagram-ann"
    where = {"exif_data": [{"iso": 100}, {"latitude": 51.5, "longitude": -0.12}]}
    posts = [
        {"media": [{"uri": "media/posts/202305/1.jpg", "creation_timestamp": 1683000000,
                    "title": as_exported("Café ☕ #brunch"), "media_metadata": {"photo_metadata": where}}]},
        {"title": as_exported("two at the пляж"), "creation_timestamp": 1684000000,
         "media": [{"uri": "media/posts/202305/2.jpg", "title": ""}, {"uri": "media/posts/202305/3.webp"},
                   {"uri": "media/posts/202305/film.mp4"}]},
        {"media": [{"uri": "media/posts/202305/1.jpg", "title": "told twice"}]},
        {"media": None}, "nothing",
    ]  # fmt: skip
    folder = root / "your_instagram_activity" / "media"
    folder.mkdir(parents=True)
    (folder / "posts_1.json").write_text(json.dumps(posts), encoding="utf-8")
    archived = {"ig_archived_post_media": [{"media": [{"uri": "media/archived/4.jpg", "title": "old"}]}]}
    (folder / "archived_posts.json").write_text(json.dumps(archived), encoding="utf-8")
    for name in ("posts/202305/1.jpg", "posts/202305/2.jpg", "other/story.jpg"):
        path = root / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(path)
    return root


def test_posts_are_pictures_with_their_captions_times_and_places(export: Path) -> None:
    posts = list(open_source(export).posts())
    assert [(post.image, post.captions) for post in posts] == [
        ("instagram-ann/media/posts/202305/1.jpg", ("Café ☕ #brunch",)),
        ("instagram-ann/media/posts/202305/2.jpg", ("two at the пляж",)),
        ("instagram-ann/media/posts/202305/3.webp", ("two at the пляж",)),
        ("instagram-ann/media/archived/4.jpg", ("old",)),
    ]
    assert posts[0].payload == {"posted_at": "2023-05-02T04:00:00+00:00", "latitude": 51.5, "longitude": -0.12}
    assert posts[1].payload == {"posted_at": "2023-05-13T17:46:40+00:00"}
    assert posts[0].path == export / "media/posts/202305/1.jpg"
    assert [post.city for post in posts] == [None] * 4, "months are no cities"


def test_the_layout_of_earlier_years_is_known(export: Path) -> None:
    content = export / "content"
    content.mkdir()
    (export / "your_instagram_activity/media/posts_1.json").rename(content / "posts_1.json")
    (export / "your_instagram_activity/media/archived_posts.json").unlink()
    assert len(list(open_source(export).posts())) == 3


def test_a_damaged_file_of_an_export_says_so(export: Path) -> None:
    (export / "your_instagram_activity/media/posts_1.json").write_text("[{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"posts_1\.json cannot be read as a part of Instagram's export"):
        list(open_source(export).posts())
