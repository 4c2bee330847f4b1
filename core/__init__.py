"""Search your own pictures by words, learned from the captions those pictures already have."""

from topicidx.errors import TopicidxError
from topicidx.post import Post
from topicidx.settings import Settings
from topicidx.version import __version__
from topicidx.workspace import Workspace

__all__ = ["Post", "Settings", "TopicidxError", "Workspace", "__version__"]
