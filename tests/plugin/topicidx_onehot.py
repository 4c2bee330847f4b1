"""A text encoder of another package: each word of the captions is a dimension, 1 where a caption holds it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from topicidx.embedders.corpus import build_corpus
from topicidx.embedders.normalizer import CaptionNormalizer


class OneHotTextEncoder:
    name = "onehot"
    scores = "similarity"

    def __init__(self, normalizer, vocabulary):
        self.normalizer, self.vocabulary, self.dimensions = normalizer, vocabulary, len(vocabulary)

    @classmethod
    def train(cls, documents, settings=None, *, seed=0, progress=None, work=None):
        least = (settings or {}).get("min_documents")
        normalizer = CaptionNormalizer.for_language("en")
        with TemporaryDirectory() as folder:
            made = build_corpus(documents, normalizer, Path(folder), min_documents=least, max_document_share=0.5)
        return cls(normalizer, made[0])

    @classmethod
    def restore(cls, tensors, settings, normalizer, vocabulary):
        return cls(normalizer, vocabulary)

    def encode(self, texts):
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[[word for word, _ in self.vocabulary.bag_of_words(self.normalizer.tokens(text))]] = 1
        return rows

    def knows(self, text):
        return bool(self.encode([text]).any())

    def word_vectors(self):
        return np.eye(self.dimensions, dtype=np.float32), np.eye(self.dimensions, dtype=np.float32)

    def tensors(self):
        return {}

    def settings_json(self):
        return {}
