"""Contact sheets: search results as one self-contained HTML page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from topicidx.atomic import write_file
from topicidx.embedders.pictures import open_picture
from topicidx.errors import ImageError
from topicidx.indexer.results import Hit, SearchResult
from topicidx.post import PictureFile

#: Pixels on the longer side: sharp on dense screens, and 30 kB a picture.
THUMBNAIL_SIZE = 400


@dataclass(frozen=True, slots=True)
class Sheet:
    """A query's block on the page: its result, a line about it, and which pictures to mark as right or wrong, if known."""

    result: SearchResult
    note: str = ""
    right: frozenset[str] | None = None


def write_contact_sheet(path: Path, title: str, introduction: Sequence[str], sheets: Sequence[Sheet]) -> None:
    """Write the page of `contact_sheet` to `path`."""
    write_file(path, contact_sheet(title, introduction, sheets))


def contact_sheet(title: str, introduction: Sequence[str], sheets: Sequence[Sheet]) -> str:
    """An HTML page with its thumbnails inside it, so that it can be moved, mailed and printed."""
    blocks = [
        {
            "query": sheet.result.query,
            "note": sheet.note,
            "pictures": [_picture(hit, sheet.right) for hit in sheet.result],
        }
        for sheet in sheets
    ]
    return page("contact_sheet.html", title=title, introduction=introduction, blocks=blocks)


def page(template: str, **values: object) -> str:
    """An HTML page from one of the package's templates."""
    environment = Environment(
        loader=PackageLoader("topicidx.indexer", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(**values) + "\n"


def _picture(hit: Hit, right: frozenset[str] | None) -> dict[str, object]:
    return {
        "rank": hit.rank,
        "score": f"{hit.score:.3g}",
        "name": hit.image,
        "city": hit.city or "",
        "caption": hit.captions[0] if hit.captions else "",
        "thumbnail": thumbnail_of(hit.path) if hit.path else None,
        "mark": None if right is None else hit.image in right,
    }


def thumbnail_of(path: PictureFile, size: int = THUMBNAIL_SIZE, *, quality: int = 85) -> str | None:
    """A JPEG of the picture, `size` pixels on its longer side at most, as a data URL; None where it cannot be read."""
    try:
        image = open_picture(path, at_least=size).image
    except ImageError:
        return None
    image.thumbnail((size, size))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
