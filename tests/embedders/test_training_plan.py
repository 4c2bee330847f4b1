"""TrainingPlan: what is set stays as set, what is not suits the number of pictures, contradictions are refused."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicidx.embedders.topic_network import HeadSettings
from topicidx.embedders.training_plan import TrainingPlan
from topicidx.errors import SettingsError
from topicidx.indexer.presets import preset_settings
from topicidx.settings import TrainingSettings

PICTURES = st.integers(1, 3_000_000)
SETTINGS = st.builds(
    TrainingSettings,
    init=st.sampled_from(["imagenet", "random", "weights.pth"]),
    layers=st.sampled_from(["all", "tail", "head", None]),
    optimizer=st.sampled_from(["adamw", "sgd"]),
    standardize=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(SETTINGS, PICTURES)
def test_every_number_is_decided_and_usable(given_settings: TrainingSettings, pictures: int) -> None:
    plan = TrainingPlan.adapted(given_settings, pictures)
    assert None not in asdict(plan).values()
    assert plan.epochs >= 1
    assert plan.head_epochs >= 0
    assert 1 <= plan.batch_size <= pictures
    assert min(plan.learning_rate, plan.head_learning_rate, plan.pretrained_learning_rate) > 0
    assert 32 <= plan.crop <= plan.resize


@settings(max_examples=80, deadline=None)
@given(SETTINGS, PICTURES, PICTURES)
def test_more_pictures_never_need_more_passes(given_settings: TrainingSettings, one: int, other: int) -> None:
    few, many = (TrainingPlan.adapted(given_settings, pictures) for pictures in sorted((one, other)))
    assert few.epochs >= many.epochs
    assert few.head_epochs >= many.head_epochs


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "layers": st.sampled_from(["all", "tail", "head"]),
            "epochs": st.integers(1, 50),
            "head_epochs": st.integers(0, 50),
            "patience": st.integers(1, 9),
            "optimizer": st.sampled_from(["adamw", "sgd"]),
            "learning_rate": st.floats(1e-6, 1),
            "pretrained_learning_rate": st.floats(1e-6, 1),
            "weight_decay": st.floats(0, 1),
            "view": st.sampled_from(["whole", "center"]),
            "crop": st.integers(32, 256),
            "resize": st.integers(256, 512),
            "views": st.integers(1, 12),
        }
    ),
    st.sampled_from(["imagenet", "random"]),
    PICTURES,
)
def test_what_is_set_stays_as_set(given: dict[str, Any], init: str, pictures: int) -> None:
    plan = asdict(TrainingPlan.adapted(TrainingSettings(init=init, **given), pictures))
    assert {name: plan[name] for name in given} == given


def test_a_batch_size_that_is_set_is_cut_to_the_pictures_there_are() -> None:
    asked = TrainingSettings(batch_size=100)
    assert TrainingPlan.adapted(asked, 1_000).batch_size == 100
    assert TrainingPlan.adapted(asked, 7).batch_size == 7


def test_pretrained_networks_train_a_deep_head_and_random_ones_everything() -> None:
    pretrained = TrainingPlan.adapted(TrainingSettings(), 5_000)
    assert (pretrained.layers, pretrained.standardize) == ("head", True)
    assert pretrained.head == HeadSettings("several", 1_024, 3, root=True)
    assert pretrained.word_loss > 0
    assert (pretrained.sizes, pretrained.mirror) == ((224,), False)
    assert pretrained.patience == pretrained.epochs
    random = TrainingPlan.adapted(TrainingSettings(init="random"), 5_000)
    assert (random.layers, random.standardize, random.head_epochs) == ("all", False, 0)
    assert (random.head, random.word_loss, random.sizes) == (HeadSettings(), 0, (224,))
    assert random.pretrained_learning_rate == random.learning_rate
    assert TrainingPlan.adapted(TrainingSettings(init="random", layers="head"), 5_000).standardize


def test_a_trained_tail_keeps_its_linear_head_and_learns_after_it_and_more_slowly() -> None:
    tail = TrainingPlan.adapted(TrainingSettings(layers="tail"), 5_000)
    assert tail.head_epochs > 0
    assert tail.pretrained_learning_rate < tail.learning_rate < tail.head_learning_rate
    assert (tail.head, tail.word_loss, tail.sizes, tail.patience) == (HeadSettings(), 0, (224,), 4)


def test_the_preset_is_the_published_recipe_to_the_letter() -> None:
    preset = TrainingSettings(**preset_settings("instacities1m")["training"])
    plan = TrainingPlan.adapted(preset, 800_000)
    assert (plan.head, plan.dropout, plan.word_loss, plan.calibrate) == (HeadSettings(), 0.4, 0, False)
    assert (plan.sizes, plan.mirror, plan.view, plan.resize, plan.crop) == ((224,), False, "center", 300, 224)
    assert (plan.layers, plan.optimizer, plan.batch_size, plan.epochs) == ("tail", "sgd", 560, 217)
    assert (plan.standardize, plan.learning_rate, plan.weight_decay) == (False, 0.003, 2e-4)


def test_sgd_has_the_numbers_of_the_published_recipe() -> None:
    plan = TrainingPlan.adapted(TrainingSettings(optimizer="sgd"), 800_000)
    assert plan.layers == "tail"
    assert plan.head_epochs == 0
    assert {plan.head_learning_rate, plan.learning_rate, plan.pretrained_learning_rate} == {0.003}
    assert plan.weight_decay == 2e-4
    assert plan.crop == 224


def test_no_weight_decay_can_be_asked_for() -> None:
    assert TrainingPlan.adapted(TrainingSettings(weight_decay=0), 100).weight_decay == 0


@pytest.mark.parametrize(
    ("contradiction", "named"),
    [
        ({"crop": 224, "resize": 100}, "training.resize"),
        ({"resize": 223}, "training.resize"),
        ({"crop": 31}, "training.crop"),
        ({"crop": 1, "resize": 1}, "training.crop"),
        ({"hidden": 0, "members": 2}, "training.members"),
        ({"layers": "tail", "features": "several"}, "training.features"),
    ],
)
def test_contradicting_settings_are_refused_by_name(contradiction: dict[str, int], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        TrainingPlan.adapted(TrainingSettings(**contradiction), 100)
