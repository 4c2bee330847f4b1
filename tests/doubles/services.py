"""What tests of the service share by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx

#: serving(home, **options) is a block in which the index of a workspace is served; it gives a client.
Serving = Callable[..., AbstractContextManager[httpx.Client]]
