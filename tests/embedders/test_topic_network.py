"""TopicNetwork: what is frozen stays as it was, and topic distributions are distributions whatever the logits."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy import float32
from numpy.typing import NDArray
from torch import Tensor, nn

from topicidx.embedders.networks.architectures import ARCHITECTURES
from topicidx.embedders.topic_network import Layers, TopicNetwork, topic_distribution

pytestmark = pytest.mark.usefixtures("one_thread")

#: Which parts learn under each name.
LEARNING: dict[Layers, set[str]] = {
    "all": {"trunk", "tail", "head"},
    "tail": {"tail", "head"},
    "head": {"head"},
}


@pytest.fixture
def network() -> TopicNetwork:
    torch.manual_seed(0)
    return TopicNetwork(ARCHITECTURES["googlenet"], topics=3)


def norms(part: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]


def copied(part: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in part.state_dict().items()}


def unchanged(part: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in part.state_dict().items())


@pytest.mark.parametrize("trained", get_args(Layers))
def test_only_the_trained_layers_ask_for_gradients(network: TopicNetwork, trained: Layers) -> None:
    network.freeze(trained)
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (name.split(".")[0] in LEARNING[trained]), name


@pytest.mark.parametrize("before", get_args(Layers))
def test_freezing_can_be_undone(network: TopicNetwork, before: Layers) -> None:
    network.freeze(before)
    network.freeze("all")
    network.train()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("trained", get_args(Layers))
def test_frozen_batch_norm_stays_in_eval_mode_when_the_network_is_told_to_train(
    network: TopicNetwork, trained: Layers
) -> None:
    network.freeze(trained)
    for mode in (True, False, True):
        network.train(mode)
        for name in ("trunk", "tail"):
            part = getattr(network, name)
            assert {norm.training for norm in norms(part)} == {mode and name in LEARNING[trained]}
        assert network.head.dropout.training == mode


def test_freezing_a_training_network_puts_its_frozen_batch_norm_into_eval_mode_at_once(network: TopicNetwork) -> None:
    network.train()
    network.freeze("tail")
    assert not any(norm.training for norm in norms(network.trunk))
    assert all(norm.training for norm in norms(network.tail))


@pytest.mark.parametrize("trained", get_args(Layers))
def test_training_steps_move_the_trained_layers_and_nothing_of_the_frozen_ones(
    network: TopicNetwork, trained: Layers
) -> None:
    network.freeze(trained)
    before = {name: copied(getattr(network, name)) for name in ("trunk", "tail", "head")}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    network.train()
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.rand(4, 3, 48, 48)).square().sum().backward()
        optimizer.step()
    network.eval()
    moved = {name for name, weights in before.items() if not unchanged(getattr(network, name), weights)}
    assert moved == LEARNING[trained]
    statistics = {
        name for name, weights in before.items() if any(k.endswith("running_mean") for k in weights)
        and any(not torch.equal(v, weights[k]) for k, v in getattr(network, name).state_dict().items() if "running" in k)
    }  # fmt: skip
    assert statistics == LEARNING[trained] - {"head"}


def test_logits_are_one_row_a_picture_and_one_column_a_topic(network: TopicNetwork) -> None:
    network.eval()
    pixels = torch.rand(2, 3, 64, 48)
    assert network.features(pixels).shape == (2, 1024)
    assert network(pixels).shape == (2, 3)


def test_features_are_the_mean_over_the_picture_in_float32(network: TopicNetwork) -> None:
    maps = torch.rand(2, 1024, 3, 2, dtype=torch.bfloat16)
    torch.testing.assert_close(network.pool(maps), maps.float().sum((2, 3)) / 6)


def test_the_head_standardises_features_before_it_weighs_them(network: TopicNetwork) -> None:
    head = network.head.eval()
    features = torch.rand(5, 1024) * 7 + 3
    head.mean.copy_(features.mean(0))
    head.deviation.copy_(features.std(0))
    expected = (features - features.mean(0)) / features.std(0) @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(features), expected)


Logits = NDArray[float32]
SOME_LOGITS = arrays.arrays(
    float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-1e4, 1e4, width=32)
)


@settings(max_examples=100, deadline=None)
@given(SOME_LOGITS)
def test_topic_distributions_sum_to_one_for_any_logits(logits: Logits) -> None:
    theta = topic_distribution(torch.from_numpy(logits))
    assert (theta >= 0).all()
    torch.testing.assert_close(theta.sum(dim=1), torch.ones(len(logits)))


@pytest.mark.parametrize("level", [1e4, 100.0, 0.0, -80.0, -100.0, -1e4])
def test_equal_logits_give_equal_topics_however_small_their_sigmoids(level: float) -> None:
    torch.testing.assert_close(topic_distribution(torch.full((2, 4), level)), torch.full((2, 4), 0.25))


def test_topic_distribution_is_the_sigmoids_divided_by_their_sum() -> None:
    logits = torch.randn(3, 7) * 4
    sigmoids = 1 / (1 + torch.exp(-logits.double()))
    expected = (sigmoids / sigmoids.sum(1, keepdim=True)).float()
    torch.testing.assert_close(topic_distribution(logits), expected)


def test_topic_distribution_is_float32_also_for_half_precision_logits() -> None:
    assert topic_distribution(torch.zeros(1, 3, dtype=torch.bfloat16)).dtype == torch.float32
