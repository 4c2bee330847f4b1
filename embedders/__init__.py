"""Captions to topics, pictures to topics, and the topic space that binds them."""

from topicidx.embedders.topic_space import TopicSpace, write_topic_space

__all__ = ["TopicSpace", "write_topic_space"]
