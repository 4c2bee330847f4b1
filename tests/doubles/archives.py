"""Small pictures, and tar files with them."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

Colour = tuple[int, int, int]
RED, BLUE, GREY = (200, 20, 20), (30, 80, 220), (120, 120, 120)


def jpeg(colour: Colour = RED, size: int = 24) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(data, "JPEG")
    return data.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes | str | dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
