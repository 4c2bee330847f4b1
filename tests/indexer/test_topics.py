"""Topics in words."""

from pathlib import Path

import numpy as np
import pytest

from topicidx.embedders.lda import LdaTextEncoder
from topicidx.embedders.topic_space import TopicSpace
from topicidx.errors import SpaceError
from topicidx.indexer.topics import describe_topics


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
        "words": [{"word": word, "weight": weight} for word, weight in topic.words],
    }


def test_an_encoder_without_topics_is_said_to_have_none(space: TopicSpace) -> None:
    class Captioner:
        name = "captioner"

    space.__dict__["text_encoder"] = Captioner()
    with pytest.raises(SpaceError, match=r"'captioner' of .* has no topics") as caught:
        describe_topics(space, words=3)
    assert str(Path(space.folder)) in str(caught.value)
