"""The served store: collections on a Qdrant server."""

import os

# Read when gRPC is imported: it would tell of lost connections on stderr, which our errors do.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from topicidx.indexer.server.connection import Connection, connect
from topicidx.indexer.server.generations import collect_garbage, rollback
from topicidx.indexer.server.joint import JointWriter, joint_writer
from topicidx.indexer.server.store import ServerStore
from topicidx.indexer.server.words import write_words
from topicidx.indexer.server.writer import ServerWriter, server_writer

__all__ = [
    "Connection",
    "JointWriter",
    "ServerStore",
    "ServerWriter",
    "collect_garbage",
    "connect",
    "joint_writer",
    "rollback",
    "server_writer",
    "write_words",
]
