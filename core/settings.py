"""Settings: flags over `TOPICIDX_*` variables over `topicidx.toml`."""

import logging
import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from topicidx.checked import Checked, CheckError, Limits, Refused
from topicidx.errors import SettingsError

logger = logging.getLogger(__name__)

FILE_NAME = "topicidx.toml"
#: What the names of variables begin with.
PREFIX = "TOPICIDX_"

Arch = Literal["googlenet", "bvlc"]
Match = Literal["all", "mean"]
Search = Literal["auto", "exact", "approximate"]
Preview = Literal["auto", "kitty", "iterm2", "sixel", "blocks"]
#: Points from which on a store gets what approximate searches need: an exact scan takes some 50 ms a word by then.
APPROXIMATE_FROM = 500_000
#: Text encoders whose settings are a field of `Settings`.
_OWN_ENCODERS = ("lda", "word2vec")
Positive = Annotated[int, Limits(gt=0)]
Share = Annotated[float, Limits(gt=0, le=1)]


def _refuse_binary(value: Any) -> None:
    if value == "binary":
        raise ValueError(
            "binary quantization keeps only whether a number is positive, and all numbers of a topic vector are: it finds "
            "next to nothing; use turbo8, int8 or none"
        )


def _refuse_own(value: Any) -> None:
    for name in value if isinstance(value, dict) else ():
        if name in _OWN_ENCODERS:
            raise ValueError(f"the settings of {name} have their own table, [{name}]")


@dataclass(frozen=True, kw_only=True)
class CaptionSettings(Checked):
    """How captions become words: what all text encoders of topicidx share."""

    #: The language of the captions (ISO 639-1), or several with commas between them.
    language: str = "en"
    #: What takes the place of punctuation and of #: a space, or nothing, as published.
    punctuation: Literal["space", "remove"] = "space"
    #: Words to be left out, beside the stop words of the language.
    extra_stop_words: tuple[str, ...] = ()
    #: Stems in fewer captioned pictures than this are dropped.
    min_documents: Positive | None = None
    #: Stems in more than this share of the captioned pictures are dropped.
    max_document_share: Share = 0.5
    #: Processes that read captions, and threads that learn from them; None for one a core. What is learned does not depend on
    #: it.
    workers: Positive | None = None

    def decisive(self) -> dict[str, Any]:
        """The settings that decide what is learned, in JSON values."""
        return {name: value for name, value in self.to_json().items() if name != "workers"}


@dataclass(frozen=True, kw_only=True)
class LdaSettings(CaptionSettings):
    """How captions become topics. What is None adapts to the size of the corpus (`topicidx.embedders.lda`)."""

    #: How many topics are learned, which is the length of every vector.
    num_topics: Annotated[int, Limits(ge=2, le=65_536)] = 500
    #: Passes over the captions.
    passes: Positive | None = None
    #: Captions in one update.
    chunksize: Positive | None = None
    #: Symmetric document-topic prior of each topic.
    alpha: Annotated[float, Limits(gt=0)] | None = None
    #: Symmetric topic-word prior of each word.
    eta: Annotated[float, Limits(gt=0)] | None = None
    #: The weight of update t is (offset + t) ** -decay: how fast the old updates are forgotten.
    decay: Annotated[float, Limits(ge=0.5, le=1)] | None = None
    #: How little the first updates count.
    offset: Annotated[float, Limits(ge=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class Word2VecSettings(CaptionSettings):
    """How captions become mean word vectors. What is None adapts to the size of the corpus (`topicidx.embedders.word2vec`)."""

    #: Length of every vector.
    dimensions: Annotated[int, Limits(ge=2, le=65_536)] = 300
    #: How many words before and after a word are learned with it, within a caption.
    window: Positive = 10
    #: Words drawn at random, for each that is learned, that it is to be unlike.
    negative: Positive = 5
    #: Passes over the captions.
    epochs: Positive | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Checked):
    """How the network learns to predict topics. What is None adapts to the number of pictures and the architecture."""

    #: googlenet: that of torchvision. bvlc: that of Caffe, whose weights come from a file.
    arch: Arch = "googlenet"
    #: "imagenet" (torchvision's weights, downloaded once), "random", or a weight file.
    init: str = "imagenet"
    #: Which layers learn: the head alone (the default behind pretrained layers), the published recipe's tail (inception 4e
    #: to 5b) and head, or everything (the default from random weights).
    layers: Literal["all", "tail", "head"] | None = None
    #: What the head sees: the pooled output of inception 5b, as published, or those of six modules from 3b to 5b (the
    #: default where the head learns alone).
    features: Literal["last", "several"] | None = None
    #: Whether it sees their square roots.
    root: bool | None = None
    #: Units of the head's hidden layer; 0 is the published linear layer, 1024 the default where the head learns alone.
    hidden: Annotated[int, Limits(ge=0)] | None = None
    #: How many such heads are averaged: 3 where the head learns alone.
    members: Positive | None = None
    #: Passes over the pictures.
    epochs: Positive | None = None
    #: Pictures in one step of the optimiser, those of all processes together.
    batch_size: Positive | None = None
    #: How many of them one process takes through the network at once: gradients are summed over as many turns as that takes.
    micro_batch: Positive | None = None
    #: AdamW, or stochastic gradient descent with momentum, as published.
    optimizer: Literal["adamw", "sgd"] = "adamw"
    #: Learning rate of the new layer.
    learning_rate: Annotated[float, Limits(gt=0)] | None = None
    #: Learning rate of the pretrained layers that learn.
    pretrained_learning_rate: Annotated[float, Limits(gt=0)] | None = None
    #: Passes in which the new layer learns alone, before the others join.
    head_epochs: Annotated[int, Limits(ge=0)] | None = None
    #: Training ends after this many passes without a better validation loss: 4, or never where the head learns alone, whose
    #: validation loss rises before it falls.
    patience: Positive | None = None
    #: How strongly weights are pulled towards 0.
    weight_decay: Annotated[float, Limits(ge=0)] | None = None
    #: Share of the units before the last layer that are left out at random in a step.
    dropout: Annotated[float, Limits(ge=0, lt=1)] | None = None
    #: How much the likelihood of the captions' words counts beside the published loss; 0 leaves that alone.
    word_loss: Annotated[float, Limits(ge=0)] | None = None
    #: Choose on the validation pictures what of each topic is background, and scale word vectors so that the average
    #: picture scores 1: a score then says how many times likelier than average a caption holds the word.
    calibrate: bool = True
    #: Bring the pretrained features to mean 0 and deviation 1 before the new layer.
    standardize: bool = True
    #: What of a picture is seen when it is indexed: all of it, or the middle that crop leaves of resize.
    view: Literal["whole", "center"] = "whole"
    #: Sides at which that is seen; features are averaged. More of them find more, and take longer.
    sizes: Annotated[tuple[Annotated[int, Limits(ge=32, le=1_024)], ...], Limits(min_length=1, max_length=8)] | None = (
        None
    )
    #: Whether it is seen mirrored too.
    mirror: bool | None = None
    #: Pictures are resized to a square of this side for training.
    resize: Positive | None = None
    #: Of that a square of this side is seen, at a random place.
    crop: Positive | None = None
    #: Views (crop and mirror) of each picture that are computed once where the trunk is frozen.
    views: Positive | None = None
    #: Let torch.compile make the layers that learn faster: minutes at the start, for long trainings on a GPU.
    compile_layers: bool = False
    #: Share of the captioned pictures that is kept apart, to choose the best pass and to calibrate.
    validation_share: Annotated[float, Limits(gt=0, lt=1)] = 0.1
    #: Disk space for the frozen trunk's outputs; fewer views are kept where they would need more.
    cache_gigabytes: Annotated[float, Limits(ge=0)] = 12.0


@dataclass(frozen=True, kw_only=True)
class IngestSettings(Checked):
    """How pictures are read and written to a store."""

    #: Pictures that go through the network at once.
    batch_size: Positive = 32
    #: Threads that read and decode pictures; by default as many as there are cores.
    decode_threads: Positive | None = None
    #: Pictures with more pixels than this are refused (decompression bombs).
    max_pixels: Annotated[int, Limits(gt=0, le=178_956_970)] = 178_956_970
    #: Points from which on an embedded store gets what approximate searches need.
    approximate_from: Positive = APPROXIMATE_FROM
    #: Payload fields, besides those that every store has, to be indexed for `--where`, and as what.
    index_fields: dict[str, Literal["keyword", "integer", "float", "bool", "datetime"]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServerSettings(Checked):
    """How a served Qdrant is spoken to, and how its collections are made.

    The API key is read from the variable TOPICIDX_API_KEY or the file `api_key_file`, and kept nowhere else. What shapes a
    collection (from shard_number on) counts when a collection is made: `topicidx ingest --rebuild` makes a new one.
    """

    #: gRPC where True, REST otherwise.
    grpc: bool = True
    #: The port of gRPC; that of REST is in the URL.
    grpc_port: Annotated[int, Limits(ge=1, le=65_535)] = 6334
    #: A file with the API key, such as a mounted secret.
    api_key_file: Path | None = None
    #: Seconds that one request may take.
    timeout: Positive = 60
    #: How often a request is tried before it counts as failed.
    attempts: Annotated[int, Limits(ge=1, le=100)] = 8
    #: The longest wait between two tries, in seconds.
    longest_wait: Annotated[float, Limits(ge=0)] = 20.0
    #: Points in one request.
    batch_size: Annotated[int, Limits(ge=1, le=10_000)] = 256
    #: Shards of a new collection.
    shard_number: Positive | None = None
    #: Copies of each shard.
    replication_factor: Positive | None = None
    #: Copies that must have a point before it counts as written.
    write_consistency_factor: Positive | None = None
    #: Whether vectors and the payload stay on the disk; None leaves it to the server.
    on_disk: bool | None = None
    #: turbo8 takes a Qdrant that knows TurboQuant of 8 bits. int8 finds word queries badly: measure it (`info --recall`).
    quantization: Annotated[Literal["none", "int8", "turbo8"], Refused(_refuse_binary)] = "none"


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """All settings of topicidx. `Settings.load(limit=5)` is what a command uses: its flags come first."""

    #: The .topicidx folder; by default that of the working directory or the nearest folder above that has one.
    home: Path | None = None
    #: The topic space; by default space/ in the .topicidx folder.
    space: Path | None = None
    #: The store: a folder, or the URL of a Qdrant server; by default store/ in the .topicidx folder.
    store: str | None = None
    #: The collection in the store.
    collection: Annotated[str, Limits(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "photos"
    #: all: every word counts. mean: the published method.
    match: Match = "all"
    #: exact: every ranking is exact. approximate: a picture may be missed, where the store has what that needs. auto: exact,
    #: but for stores that were large enough to get it (`ingest.approximate_from`).
    search: Search = "auto"
    #: How many pictures a query shows.
    limit: Annotated[int, Limits(ge=1, le=10_000)] = 10
    #: How `query --preview` draws pictures in a terminal. auto: as the terminal says it can, coloured blocks otherwise.
    preview: Preview = "auto"
    #: The seed of all randomness.
    seed: Annotated[int, Limits(ge=0, lt=2**32)] = 0
    #: What learns from captions: the name of a registered text encoder.
    text_encoder: str = "lda"
    lda: LdaSettings = field(default_factory=LdaSettings)
    word2vec: Word2VecSettings = field(default_factory=Word2VecSettings)
    #: The settings of text encoders that other packages provide, a table for each by its name.
    encoders: Annotated[dict[str, dict[str, Any]], Refused(_refuse_own)] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    @property
    def text_settings(self) -> Any:
        """The settings for training the chosen text encoder: its own class of them, or a dict for that of another package."""
        name = self.text_encoder
        return getattr(self, name) if name in _OWN_ENCODERS else self.encoders.get(name)

    @classmethod
    def load(cls, file: Path | None = None, *, preset: dict[str, Any] | None = None, **flags: Any) -> "Settings":
        """Settings from flags (those that are None count as not given), the environment, `file` and `preset`, in this order.

        `file` is `topicidx.toml` in the working directory or the nearest folder above by default. Nested settings are
        given as `lda={"num_topics": 100}`. Raises SettingsError that names the setting and where it may be put right.
        """
        if file is not None and not file.is_file():
            raise SettingsError(f"there is no settings file {file}")
        file = file or _nearest_file(Path.cwd())
        try:
            values: dict[str, Any] = {}
            for layer in (preset or {}, _read(file) if file else {}, _from_variables(cls), _without_none(flags)):
                values = _merged(values, layer)
            return cls.read(values)
        except CheckError as error:
            raise SettingsError(_explain(error, file)) from error
        except (OSError, ValueError) as error:  # topicidx.toml cannot be read, or is not TOML
            raise SettingsError(f"cannot read the settings in {file}: {error}") from error


def _merged(values: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """`values` with those of `layer` in their place; of tables, what `layer` has."""
    tables = {
        name: _merged(values[name], value)
        for name, value in layer.items()
        if isinstance(value, dict) and isinstance(values.get(name), dict)
    }
    return values | layer | tables


def _read(file: Path) -> dict[str, Any]:
    """What `topicidx.toml` says; its paths start from where it lies."""
    with file.open("rb") as opened:
        values = tomllib.load(opened)
    for name in ("home", "space", "store"):
        if isinstance(values.get(name), str) and "://" not in values[name]:
            values[name] = str(file.parent / values[name])
    server = values.get("server")
    if isinstance(server, dict) and isinstance(server.get("api_key_file"), str):
        server["api_key_file"] = str(file.parent / Path(server["api_key_file"]).expanduser())
    return values


def _from_variables(settings: type[Settings]) -> dict[str, Any]:
    """What variables say. They are read by a library whose import is a tenth of a query's time: only where there are any."""
    variables = _variables()
    if not variables:
        return {}
    from topicidx.setting_variables import read_variables

    names = {setting.name.upper() for setting in fields(settings)} | {"API_KEY", "TOKEN"}
    for variable in variables:
        if variable.upper().removeprefix(PREFIX).partition("__")[0] not in names:
            logger.warning("the variable %s is no setting of topicidx: is the name right?", variable)
    return read_variables()


def _without_none(flags: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in flags.items()
        if value is not None
    }


def _variables() -> list[str]:
    """The variables that set something, or are meant to."""
    named = (variable for variable in sorted(os.environ) if variable.upper().startswith(PREFIX))
    return [variable for variable in named if not variable.upper().startswith(f"{PREFIX}TEST_")]


def _nearest_file(start: Path) -> Path | None:
    start = start.absolute()
    return next((path for folder in (start, *start.parents) if (path := folder / FILE_NAME).is_file()), None)


def _explain(error: CheckError, file: Path | None) -> str:
    lines = []
    for name, kind, problem, given in error.problems:
        message = "there is no such setting" if kind == "extra_forbidden" else problem[:1].lower() + problem[1:]
        if name == "server.api_key":
            lines.append(
                f"{name}: a key has no place among the settings; set TOPICIDX_API_KEY, or name a file as server.api_key_file"
            )
        else:
            lines.append(f"{name}: {message} (given: {given!r})")
    places = f"; look at the flags, the TOPICIDX_ variables{f' and {file}' if file else ''}"
    return "wrong setting: " + "; ".join(lines) + places
