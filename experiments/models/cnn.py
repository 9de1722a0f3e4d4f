"""The small convolutional networks: some layers of features, pooled or not, then dense ones.

Sites: `input`; of each convolution `conv1.element` and `conv1.spatial`, after the activation and
before any pooling; where it is pooled `pool1.element` and `pool1.spatial`, after that; `dense`, on
what goes into the dense part; `dense1`, ... after each hidden dense layer.
"""

from dataclasses import dataclass

from experiments.models.stack import Layer, Stacked


@dataclass(frozen=True)
class Convolutional(Stacked):
    """How to build one; by default two convolutions and a linear layer."""

    features: tuple[int, ...] = (16, 32)
    """Of each convolution."""
    pool: bool | tuple[bool, ...] = False
    """Which are followed by a maximum over 2×2 windows; one value is for all."""
    hidden: tuple[int, ...] = ()
    """Widths of hidden dense layers."""
    norm: bool = False
    """Batch norm after each convolution, before the activation."""
    global_pool: bool = False
    """The mean of each map goes into the dense part, in place of its elements."""
    kernel: int = 3
    stride: int = 1
    """Of the first convolution."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its convolutions."""
        pools = (self.pool,) * len(self.features) if isinstance(self.pool, bool) else self.pool
        strides = (self.stride, *[1] * (len(self.features) - 1))
        rows = enumerate(zip(self.features, strides, pools, strict=True), 1)
        return tuple(
            Layer(f"conv{i}", size, self.kernel, stride, pool, f"pool{i}" if pool else None)
            for i, (size, stride, pool) in rows
        )
