"""OpenVinoFeatures: a network's frozen layers in OpenVINO, which on CPUs that compute in float32 outruns PyTorch.

Optional (`pip install 'topicidx[openvino]'`). OpenVINO tells its maker when it is imported, unless people forbid it: here it
cannot.
"""

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from topicidx.embedders.pictures import Pixels

logger = logging.getLogger(__name__)


class OpenVinoFeatures:
    """What a function of pictures, PyTorch's, gives for each: uint8 (n, side, side, 3) -> float32 (n, width).

    Computed in float32, as many pictures at a time as there are threads: none waits for another. Raises ImportError where
    OpenVINO is not installed, and what it raises itself where it cannot convert the function. hint: OpenVINO's; by LATENCY
    all threads compute one picture after the other.
    """

    def __init__(self, features: Callable[[Tensor], Tensor], side: int, hint: str = "THROUGHPUT") -> None:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        example = torch.zeros((1, side, side, 3), dtype=torch.uint8)
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of PyTorch: what traces the function is to be replaced
            decoder = TorchScriptPythonDecoder(_Module(features), example_input=example)
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
        model.reshape(list(example.shape))
        self._kept = decoder  # the weights are its own
        wanted = {
            "PERFORMANCE_HINT": hint,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = openvino.Core().compile_model(model, "CPU", wanted)
        self._width = compiled.output(0).shape[1]
        self._queue = openvino.AsyncInferQueue(compiled)

    def __call__(self, pictures: Pixels) -> Tensor:
        found = np.empty((len(pictures), self._width), dtype=np.float32)

        def keep(request: Any, place: int) -> None:
            found[place] = request.get_output_tensor(0).data[0]

        self._queue.set_callback(keep)
        for place in range(len(pictures)):
            self._queue.start_async({0: pictures[place : place + 1]}, place)
        self._queue.wait_all()
        return torch.from_numpy(found)


class _Module(nn.Module):
    """A function as a module, which is what is converted."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, pixels: Tensor) -> Tensor:
        return self._function(pixels)


def openvino_features(features: Callable[[Tensor], Tensor], side: int) -> OpenVinoFeatures | None:
    """The function in OpenVINO; None where that is not installed, or cannot convert it."""
    try:
        return OpenVinoFeatures(features, side)
    except ImportError:
        logger.info("OpenVINO is not installed: PyTorch goes on")
    except Exception as error:  # its errors have no common root
        logger.warning("OpenVINO cannot convert the network, PyTorch goes on: %s", str(error).partition("\n")[0])
    return None
