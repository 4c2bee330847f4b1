"""Which number format a device computes in, and how many pictures at once."""

import torch

#: Pictures that a CPU takes through the frozen layers at once. The activations of more no longer fit the memory that the
#: allocator keeps, and page faults cost up to half of the speed: 166 images/s with 8, 102 with 32 (BVLC, two cores).
CPU_CHUNK = 8


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 autocast where the device computes in it, and nothing elsewhere."""
    dtype = inference_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def inference_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, float32 elsewhere."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
