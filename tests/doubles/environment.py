"""The variables that commands of tests are started with."""

import os


def without_settings() -> dict[str, str]:
    """This process's variables but for those that would be settings of topicidx."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOPICIDX_")}
