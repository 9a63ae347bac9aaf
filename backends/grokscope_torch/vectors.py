"""Flat vectors on a device of PyTorch, as `grokscope.contract.arrays.Vectors` asks for them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Unavailable

DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


class TorchVectors:
    """Base of whatever computes with vectors on one device, in one precision unless another is asked for."""

    _where: torch.device
    precision: Precision

    @property
    def device(self) -> str:
        return self._where.type

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> Tensor:
        dtype = DTYPES[precision or self.precision]
        if dtype == torch.float64 and self._where.type == "mps":
            raise Unavailable("MPS has no float64: measure in float32, or with --device cpu")
        return torch.tensor(values, dtype=dtype, device=self._where)

    def tonumpy(self, array: Tensor) -> FloatArray:
        result: FloatArray = array.detach().cpu().numpy().copy()
        return result

    def concatenate(self, pieces: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(pieces))
