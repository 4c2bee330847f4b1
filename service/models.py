"""What the API takes and gives: its typed JSON bodies, with examples."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

#: Longest query, condition or text, and most texts, in one request.
LONGEST, MOST_TEXTS = 2_000, 64

_PICTURE: JsonDict = {
    "id": "6a2f0a4c-5c1e-5d0f-9b3e-7d4d3f0a1b2c",
    "rank": 1,
    "score": 12.3,
    "image": "photos/london/123.jpg",
    "city": "London",
    "captions": ["Sunrise over the river"],
    "taken_at": "2019-06-30T05:05:09",
    "width": 1600,
    "height": 1067,
    "thumbnail": "/api/pictures/6a2f0a4c-5c1e-5d0f-9b3e-7d4d3f0a1b2c/thumbnail",
}


class Model(BaseModel):
    """What all bodies share."""

    model_config = ConfigDict(frozen=True)


class ErrorDetail(Model):
    """What went wrong: the kind of error, and a message for people."""

    type: str
    message: str


class ErrorAnswer(Model):
    """The answer to a request that could not be answered."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"error": {"type": "UnknownWordError", "message": "the captions never used the word 'zzz'"}}]
        },
    )

    error: ErrorDetail


class Why(Model):
    """What a picture has of a term: its lift, or the dot product where scores are similarities or match is mean."""

    term: str
    lift: float


class Picture(Model):
    """A picture that was found. score says how many times likelier than average a caption of it would hold the query."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_PICTURE]})

    id: str
    rank: int
    score: float
    image: Annotated[
        str, Field(description="The picture's key: its source's name and its path below the source's root.")
    ]
    city: str | None = None
    captions: list[str] = []
    taken_at: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str
    why: Annotated[list[Why] | None, Field(description="Only where the reasons were asked for.")] = None


class Term(Model):
    """A term of the query. known: whether the captions have all its words; used: what was searched for in place of it."""

    text: str
    kind: Literal["word", "phrase", "picture", "topic"]
    weight: float = 1.0
    known: bool = True
    used: str | None = None


class UnknownWord(Model):
    """A word the captions never used, the known words nearest to it in spelling, and the one that was used for it."""

    word: str
    nearest: list[str]
    used: str | None = None


class SearchAnswer(Model):
    """The pictures found, best first. more: whether there are further ones behind them."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "query": "sunrise -people",
                    "terms": [
                        {"text": "sunrise", "kind": "word", "weight": 1.0, "known": True, "used": None},
                        {"text": "people", "kind": "word", "weight": -1.0, "known": True, "used": None},
                    ],
                    "unknown": [],
                    "results": [_PICTURE],
                    "offset": 0,
                    "more": True,
                }
            ]
        },
    )

    query: str
    terms: list[Term]
    unknown: list[UnknownWord]
    results: list[Picture]
    offset: int
    more: bool


class TopicOfPicture(Model):
    """A topic of a picture: its share of the picture, and the topic's most probable words."""

    topic: int
    weight: float
    words: list[str]


class PictureDetail(Model):
    """All that is known of a picture. topics: the leading ones, where the text encoder has topics."""

    id: str
    image: str
    city: str | None = None
    captions: list[str] = []
    taken_at: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str
    file: str
    payload: dict[str, Any]
    topics: list[TopicOfPicture]


class SuggestedWord(Model):
    """A word of the vocabulary, and how many captioned pictures have it."""

    word: str
    documents: int


class Suggestions(Model):
    """Words that begin as asked for, the most frequent first."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"words": [{"word": "sunrise", "documents": 812}]}]}
    )

    words: list[SuggestedWord]


class CityCount(Model):
    """A city: what it is asked for by, how people wrote it, how many pictures are of it."""

    city: str
    label: str
    count: int


class Facets(Model):
    """Counts of the whole store."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"cities": [{"city": "london", "label": "London", "count": 123}], "pictures": 6932}]
        },
    )

    cities: list[CityCount]
    pictures: int


class TopicWord(Model):
    """A word of a topic with P(word | topic)."""

    word: str
    weight: float


class TopicDescription(Model):
    """A topic, its share of the captions, its most probable words."""

    topic: int
    share: float
    words: list[TopicWord]


class Topics(Model):
    """Topics, the most frequent first."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"topics": [{"topic": 3, "share": 0.012, "words": [{"word": "beach", "weight": 0.08}]}]}]
        },
    )

    topics: list[TopicDescription]


class EncodeRequest(Model):
    """Texts to be encoded, for programs that ask Qdrant themselves.

    A vector is the mean of its words' vectors: with `topics` their topic distributions, so that the dot product with a picture
    is the score of match=mean; with `lift` their lift vectors, so that it is the mean of the words' lifts.
    """

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"texts": ["sunrise beach"], "kind": "topics"}]}
    )

    texts: Annotated[
        list[Annotated[str, StringConstraints(max_length=LONGEST)]], Field(min_length=1, max_length=MOST_TEXTS)
    ]
    kind: Literal["topics", "lift"] = "topics"


class EncodeAnswer(Model):
    """A vector for each text, null where none of its words is known, and the unknown words of each."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"vectors": [[0.25, 0.5, 0.25]], "unknown": [["zzz"]]}]}
    )

    vectors: list[list[float] | None]
    unknown: list[list[str]]


class SessionRequest(Model):
    """The token that the service was started with."""

    token: Annotated[str, StringConstraints(max_length=LONGEST)]


class SessionAnswer(Model):
    """Whether a token is needed at all; the session itself is a cookie."""

    needed: bool


class Health(Model):
    """The service runs."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Model):
    """Whether searches are answered from what is there now; if not, why not."""

    ready: bool
    pictures: int | None = None
    generation: str | None = None
    problem: str | None = None
