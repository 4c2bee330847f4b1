"""TrainingPlan: every number of a training run, decided from settings and the number of pictures."""

from dataclasses import dataclass
from typing import Literal

from topicidx.embedders.topic_network import Features, HeadSettings, Layers
from topicidx.errors import SettingsError
from topicidx.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained; epochs are passes over the training pictures.

    First the head learns alone for `head_epochs`, so that its random start does not disturb what ImageNet taught the
    tail; then all of `layers` learn for up to `epochs`, ending when `patience` epochs brought no better validation loss.
    """

    layers: Layers
    features: Features
    root: bool
    hidden: int
    members: int
    dropout: float
    word_loss: float
    calibrate: bool
    head_epochs: int
    epochs: int
    patience: int
    batch_size: int
    micro_batch: int
    optimizer: Literal["adamw", "sgd"]
    head_learning_rate: float
    learning_rate: float
    pretrained_learning_rate: float
    weight_decay: float
    standardize: bool
    view: Literal["whole", "center"]
    resize: int
    crop: int
    sizes: tuple[int, ...]
    mirror: bool
    views: int
    compile_layers: bool

    @property
    def head(self) -> HeadSettings:
        return HeadSettings(self.features, self.hidden, self.members, self.root)

    @property
    def sees_views(self) -> bool:
        """True where nothing below the head learns: it then learns from the views that indexing sees, and no others."""
        return self.layers == "head"

    @classmethod
    def adapted(cls, settings: TrainingSettings, pictures: int) -> "TrainingPlan":
        """Settings with every None replaced by what suits `pictures` training pictures.

        A head alone, with a hidden layer, on several layers' features of several views, finds more than a linear layer on
        the last layer's (benchmarks/quality.md). AdamW with a low rate for pretrained layers reaches the published recipe's
        loss in a few passes instead of hundreds. Few pictures need more passes, many need fewer. Raises SettingsError where
        settings contradict.
        """
        pretrained = settings.init != "random"
        sgd = settings.optimizer == "sgd"
        layers: Layers = settings.layers or ("all" if not pretrained else "tail" if sgd else "head")
        rich = layers == "head" and pretrained and not sgd
        crop = settings.crop or 224
        resize = settings.resize or round(crop * 8 / 7)
        if resize < crop:
            raise SettingsError(f"training.resize ({resize}) is smaller than training.crop ({crop})")
        if crop < 32:
            raise SettingsError(f"training.crop ({crop}) is below 32, the least a GoogLeNet can see")
        rate = settings.learning_rate or (0.003 if sgd else 3e-4 if pretrained and layers != "head" else 1e-3)
        head_epochs = settings.head_epochs
        if head_epochs is None:
            head_epochs = (
                0 if sgd or not pretrained or layers == "head" else _passes(60_000, pictures, least=1, most=30)
            )
        epochs = settings.epochs
        if epochs is None:
            if layers == "head":
                epochs = _passes(170_000, pictures, least=3, most=30)
            elif pretrained:
                epochs = _passes(40_000, pictures, least=2, most=30)
            else:
                epochs = _passes(20_000, pictures, least=4, most=60)
        hidden = settings.hidden if settings.hidden is not None else (1_024 if rich else 0)
        members = settings.members or (3 if rich and hidden else 1)
        if members > 1 and not hidden:
            raise SettingsError(
                f"training.members ({members}) is more than 1 and training.hidden is 0: the average of linear heads is one"
            )
        features: Features = settings.features or ("several" if rich else "last")
        if features == "several" and layers != "head":
            raise SettingsError(
                f'training.features is "several" and training.layers "{layers}": only a head alone learns from several layers'
            )
        batch_size = min(settings.batch_size or (64 if pictures >= 2_000 else 32), max(1, pictures))
        sizes = settings.sizes or (crop,)
        if layers != "head" and (sizes != (crop,) or settings.mirror):
            raise SettingsError(
                f'training.sizes and training.mirror are for a head that learns alone; with training.layers "{layers}" pictures '
                f"are seen once, at training.crop ({crop})"
            )
        return cls(
            layers=layers,
            features=features,
            root=settings.root if settings.root is not None else rich,
            hidden=hidden,
            members=members,
            dropout=settings.dropout if settings.dropout is not None else (0.5 if rich else 0.4),
            word_loss=settings.word_loss if settings.word_loss is not None else float(rich),
            calibrate=settings.calibrate,
            head_epochs=head_epochs,
            epochs=epochs,
            patience=settings.patience or (epochs if layers == "head" else 4),
            batch_size=batch_size,
            micro_batch=min(settings.micro_batch or batch_size, batch_size),
            optimizer=settings.optimizer,
            head_learning_rate=settings.learning_rate or (0.003 if sgd else 1e-3),
            learning_rate=rate,
            pretrained_learning_rate=settings.pretrained_learning_rate or (rate if sgd or not pretrained else 1e-4),
            weight_decay=settings.weight_decay if settings.weight_decay is not None else (2e-4 if sgd else 1e-2),
            standardize=settings.standardize and (pretrained or layers == "head"),
            view=settings.view,
            resize=resize,
            crop=crop,
            sizes=sizes,
            mirror=settings.mirror if settings.mirror is not None else False,
            views=settings.views or 6,
            compile_layers=settings.compile_layers,
        )


def _passes(steps: int, pictures: int, *, least: int, most: int) -> int:
    return max(least, min(most, round(steps / max(1, pictures))))
