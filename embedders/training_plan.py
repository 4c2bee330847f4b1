"""TrainingPlan: every number of a training run, decided from settings and the number of pictures."""

from dataclasses import dataclass
from typing import Literal

from topicidx.embedders.topic_network import Layers
from topicidx.errors import SettingsError
from topicidx.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained; epochs are passes over the training pictures.

    First the new layer learns alone for `head_epochs`, so that its random start does not disturb what ImageNet taught the
    tail; then all of `layers` learn for up to `epochs`, ending when `patience` epochs brought no better validation loss.
    """

    layers: Layers
    head_epochs: int
    epochs: int
    patience: int
    batch_size: int
    optimizer: Literal["adamw", "sgd"]
    head_learning_rate: float
    learning_rate: float
    pretrained_learning_rate: float
    weight_decay: float
    standardize: bool
    view: Literal["whole", "center"]
    resize: int
    crop: int
    views: int

    @classmethod
    def adapted(cls, settings: TrainingSettings, pictures: int) -> "TrainingPlan":
        """Settings with every None replaced by what suits `pictures` training pictures.

        AdamW with a low rate for pretrained layers reaches the published recipe's loss in a few passes instead of
        hundreds. Few pictures need more passes, many need fewer. Raises SettingsError where settings contradict.
        """
        layers: Layers = settings.layers or ("all" if settings.init == "random" else "tail")
        crop = settings.crop or 224
        resize = settings.resize or round(crop * 8 / 7)
        if resize < crop:
            raise SettingsError(f"training.resize ({resize}) is smaller than training.crop ({crop})")
        if crop < 32:
            raise SettingsError(f"training.crop ({crop}) is below 32, the least a GoogLeNet can see")
        pretrained = settings.init != "random"
        sgd = settings.optimizer == "sgd"
        rate = settings.learning_rate or (0.003 if sgd else 3e-4 if pretrained else 1e-3)
        head_epochs = settings.head_epochs
        if head_epochs is None:
            head_epochs = 0 if sgd or not pretrained else _passes(60_000, pictures, least=1, most=30)
        epochs = settings.epochs
        if epochs is None:
            epochs = (
                _passes(40_000, pictures, least=2, most=30)
                if pretrained
                else _passes(20_000, pictures, least=4, most=60)
            )
        return cls(
            layers=layers,
            head_epochs=head_epochs,
            epochs=epochs,
            patience=settings.patience,
            batch_size=min(settings.batch_size or (64 if pictures >= 2_000 else 32), max(1, pictures)),
            optimizer=settings.optimizer,
            head_learning_rate=settings.learning_rate or (0.003 if sgd else 1e-3),
            learning_rate=rate,
            pretrained_learning_rate=settings.pretrained_learning_rate or (rate if sgd or not pretrained else 1e-4),
            weight_decay=settings.weight_decay if settings.weight_decay is not None else (2e-4 if sgd else 1e-2),
            standardize=settings.standardize and pretrained,
            view=settings.view,
            resize=resize,
            crop=crop,
            views=settings.views or 6,
        )


def _passes(steps: int, pictures: int, *, least: int, most: int) -> int:
    return max(least, min(most, round(steps / max(1, pictures))))
