"""Presets: settings from a publication, by name."""

from typing import Any, Literal

#: The post's settings, and the code's that went with it where the post is silent.
_INSTACITIES1M: dict[str, dict[str, Any]] = {
    "lda": {
        "num_topics": 500,
        "passes": 1,
        "chunksize": 50_000,
        "min_documents": 150,
        "alpha": 1 / 500,
        "eta": 1 / 500,
        "decay": 0.5,
        "offset": 1.0,
        "punctuation": "remove",
        "extra_stop_words": (
            "rt", "http", "t", "gt", "co", "s", "https", "tweet", "markars_", "photo", "pictur", "picture", "say", "much",
            "now", "blog",
        ),
    },
    "training": {
        "layers": "tail",
        "features": "last",
        "root": False,
        "hidden": 0,
        "members": 1,
        "word_loss": 0.0,
        "calibrate": False,
        "head_epochs": 0,
        "epochs": 217,
        "patience": 217,
        "optimizer": "sgd",
        "learning_rate": 0.003,
        "weight_decay": 2e-4,
        "dropout": 0.4,
        "batch_size": 560,
        "micro_batch": 140,
        "standardize": False,
        "view": "center",
        "resize": 300,
        "crop": 224,
        "sizes": (224,),
        "mirror": False,
    },
}  # fmt: skip


def preset_settings(name: Literal["instacities1m"]) -> dict[str, dict[str, Any]]:
    """The settings tables `lda` and `training` of a preset.

    instacities1m: the published numbers for 800,000 captions. A corpus too small for ten updates of 50,000 captions gets
    smaller updates. The published code dropped words seen fewer than 150 times; here that many captions are counted.
    Source: Gomez, "Learning Image Topics from Instagram" (2017).
    """
    return {"instacities1m": _INSTACITIES1M}[name]
