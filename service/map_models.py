"""What the API gives of the map of pictures."""

from typing import Annotated

from pydantic import ConfigDict, Field

from topicidx.service.models import Model


class MapCity(Model):
    """A city as people write it, and how many pictures on the map are of it."""

    city: str
    count: int


class MapTopic(Model):
    """A topic, its most probable words, and how many pictures on the map have it as their leading one."""

    topic: int
    words: list[str]
    count: int


class MapPoints(Model):
    """The pictures on the map, one after the other, as little-endian numbers in Base64."""

    ids: Annotated[str, Field(description="The 16 bytes of each picture's id.")]
    places: Annotated[
        str, Field(description="Two 32-bit floats for each: from the left and from above, 0 to 1, in one unit.")
    ]
    cities: Annotated[
        str, Field(description="A 16-bit unsigned number for each: its city's place in `cities`; 65535 for none.")
    ]
    topics: Annotated[
        str, Field(description="A 16-bit unsigned number for each: its topic's place in `topics`; 65535 for none.")
    ]


class MapAnswer(Model):
    """The map as `topicidx map` made it, less what is not indexed any more.

    missing: indexed pictures that are not on it. Cities and topics have those with most pictures first.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "pictures": 1,
                    "missing": 12,
                    "made": "2024-05-01T09:00:00+00:00",
                    "cities": [{"city": "London", "count": 1}],
                    "topics": [{"topic": 3, "words": ["beach", "sunrise"], "count": 1}],
                    "points": {
                        "ids": "ai8KTFweXQ+bPn1NPwobLA==",
                        "places": "AAAAPwAAAD8=",
                        "cities": "AAA=",
                        "topics": "AAA=",
                    },
                }
            ]
        },
    )

    pictures: int
    missing: int
    made: str
    cities: list[MapCity]
    topics: list[MapTopic]
    points: MapPoints
