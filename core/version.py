"""The version of topicidx, kept in this one place."""

__version__ = "0.1.0"
