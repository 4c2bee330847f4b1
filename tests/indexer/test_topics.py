"""Topics in words."""

from pathlib import Path

import numpy as np
import pytest

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceError
from topicidx.indexer.topics import NEAREST, describe_topics, topic_distances


def test_topics_come_largest_share_first_with_their_words_by_weight(
    space: TopicSpace, text_encoder: LdaTextEncoder
) -> None:
    topics = describe_topics(space, words=6)
    assert sorted(topic.topic for topic in topics) == list(range(space.dimensions))
    shares = [topic.share for topic in topics]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    for topic in topics:
        assert topic.share == pytest.approx(float(space.topic_prior[topic.topic]))
        weights = [weight for _, weight in topic.words]
        assert len(weights) == 6
        assert weights == sorted(weights, reverse=True)
        assert weights == pytest.approx(np.sort(text_encoder.topic_words[topic.topic])[::-1][:6].tolist())


def test_words_are_shown_as_people_write_them(space: TopicSpace) -> None:
    words = {word for topic in describe_topics(space, words=10_000) for word, _ in topic.words}
    assert words == {word.form for word in space.words.vocabulary.words}
    assert "café" in words


def test_a_topic_in_json_values(space: TopicSpace) -> None:
    topic = describe_topics(space, words=2)[0]
    assert topic.to_json() == {
        "topic": topic.topic,
        "share": topic.share,
        "unused": False,
        "words": [{"word": word, "weight": weight} for word, weight in topic.words],
        "nearest": [],
    }


def test_a_topic_has_its_nearest_ones_where_distances_are_known(space: TopicSpace) -> None:
    distances = topic_distances(space)
    topics = describe_topics(space, words=2, distances=distances)
    used = [topic for topic in topics if not topic.unused]
    for topic in used:
        assert len(topic.nearest) == NEAREST
        assert topic.topic not in dict(topic.nearest)
        far = [distance for _, distance in topic.nearest]
        assert far == sorted(far)
        assert topic.to_json()["nearest"][0] == {"topic": topic.nearest[0][0], "distance": far[0]}
    assert sorted(distances.topics) == sorted(topic.topic for topic in used)


def test_topics_that_no_caption_speaks_of_come_last_and_are_said_to_be_unused(
    space: TopicSpace, text_encoder: LdaTextEncoder
) -> None:
    learned = text_encoder.sstats.copy()
    learned[4] = 1e-6
    prior = text_encoder.topic_prior.copy()
    prior[4] = 2 * prior.max()  # whatever it says
    space.__dict__["text_encoder"] = LdaTextEncoder(
        text_encoder.normalizer,
        text_encoder.vocabulary,
        text_encoder.hyperparameters,
        sstats=learned,
        topic_prior=prior / prior.sum(),
    )
    topics = describe_topics(space, words=3, distances=topic_distances(space))
    unused = [topic for topic in topics if topic.unused]
    assert unused[0].topic == 4
    assert unused == topics[-len(unused) :]
    assert len(unused) < len(topics)
    assert {topic.nearest for topic in unused} == {()}
    assert all(4 not in dict(topic.nearest) for topic in topics)


def test_without_captions_for_it_only_a_topic_of_flat_words_is_unused(space: TopicSpace) -> None:
    for topic in describe_topics(space, words=1_000):
        weights = [weight for _, weight in topic.words]
        assert topic.unused == (max(weights) < 2 * min(weights))


def test_an_encoder_without_topics_is_said_to_have_none(space: TopicSpace) -> None:
    class Captioner:
        name = "captioner"

    space.__dict__["text_encoder"] = Captioner()
    with pytest.raises(SpaceError, match=r"'captioner' of .* has no topics") as caught:
        describe_topics(space, words=3)
    assert str(Path(space.folder)) in str(caught.value)
