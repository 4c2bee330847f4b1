"""The served store: a Qdrant server or cluster, spoken to over gRPC or REST."""
