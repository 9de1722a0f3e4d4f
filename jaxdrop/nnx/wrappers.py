"""Modules that hold another one: weights that are dropped, states that share a mask over time."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.recurrent import RNNCellBase
from jax.typing import ArrayLike
from jaxtyping import Array, Float

import jaxdrop
from jaxdrop.nnx.base import DropModule, DropRate, KeySource, Streams, read
from jaxdrop.nnx.catalogue import Dropout, LockedDropout
from jaxdrop.weights import Where


class DropConnect(DropModule):
    r"""`jaxdrop.drop_connect` around any NNX module: its parameters are dropped at each call.

    $$y = f(x; m \odot W / q), \qquad m_{ij} \sim \mathrm{Bernoulli}(q)$$

    Each parameter has a mask of its own, drawn once a call: around a `nnx.RNN` all times share it,
    recurrent kernels included. The parameters themselves do not change; what else the layer
    changes, batch statistics for instance, is kept.

    Args:
      layer: the module that is called.
      rate: the probability to drop a weight, in [0, 1], as for every module.
      where: takes the path and the value of a parameter and tells whether it is dropped; all if
        None, biases too. `lambda path, value: value.ndim > 1` spares biases.
      scale: divide by `q`.
      deterministic: True calls the layer as it is; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream; the module forks its own from it.

    Raises:
      ValueError: a rate outside [0, 1].
      TypeError: no number as rate, or `rngs` of another kind.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import DropConnect
      >>> rngs = nnx.Rngs(0)
      >>> layer = DropConnect(nnx.Linear(3, 4, rngs=rngs), 0.5, rngs=rngs)
      >>> x = jnp.ones((2, 3))
      >>> bool((layer(x) == layer.layer(x)).all())
      False
      >>> bool((layer(x, deterministic=True) == layer.layer(x)).all())
      True

    References:
      Wan et al., Regularization of Neural Networks using DropConnect, 2013.

    """

    where: Where | None
    scale: bool
    operator = staticmethod(jaxdrop.drop_connect)

    def __init__(
        self,
        layer: nnx.Module,
        rate: ArrayLike | DropRate,
        *,
        where: Where | None = None,
        scale: bool = True,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: Streams | None = None,
    ) -> None:
        """Checks the rate, and forks a stream from `rngs`."""
        super().__init__(
            rate,
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
            where=where,
            scale=scale,
        )
        self.layer = layer

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *arguments: Any,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        rate: ArrayLike | nnx.Variable | None = None,
        **keywords: Any,
    ) -> Any:
        """Calls the layer, on dropped parameters unless deterministic.

        Args:
          *arguments: what the layer takes.
          deterministic: True calls the layer as it is.
          rngs: streams, one stream, or a key, for the masks alone.
          rate: the probability to drop a weight; may be traced.
          **keywords: what the layer takes.

        Returns:
          What the layer returns.

        Raises:
          ValueError: as for every module.

        """
        held = self.rate if rate is None else rate
        if self.is_deterministic(deterministic) or self.known(held) == 0:
            return self.layer(*arguments, **keywords)
        graph, weights, rest = nnx.split(self.layer, nnx.Param, ...)
        key = self.key_for(held, rngs)
        dropped = jaxdrop.drop_connect(key, weights, read(held), where=self.where, scale=self.scale)
        layer = nnx.merge(graph, dropped, rest)
        result = layer(*arguments, **keywords)
        nnx.update(self.layer, nnx.state(layer, nnx.Not(nnx.Param)))
        return result


class VariationalRNN(nnx.RNN):
    r"""A `nnx.RNN` with one mask for all times on its inputs, its hidden state and its outputs.

    $$h_t, c_t = \mathrm{cell}(m^x \odot x_t, m^h \odot h_{t-1}, c_{t-1}), \qquad
    y_t = m^y \odot h_t$$

    with masks scaled by their keep probabilities, and drawn before the first step: no step draws
    random numbers. The memory of an LSTM is never dropped; the state of a GRU, which is its memory
    too, is dropped wherever the cell reads it.

    Args:
      cell: `nnx.LSTMCell`, `nnx.GRUCell` or another of Flax's recurrent cells.
      input_rate: the rate on the inputs.
      state_rate: the rate on the hidden state, where a step reads it.
      output_rate: the rate on the outputs.
      deterministic: True drops nothing; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream, from which each of the three masks forks its own.
      **options: those of `nnx.RNN` (time_major, return_carry, reverse, keep_order, unroll).

    Raises:
      ValueError: a rate outside [0, 1].
      TypeError: no number as rate, or `rngs` of another kind.

    Example:
      >>> import jax.numpy as jnp
      >>> from flax import nnx
      >>> from jaxdrop.nnx import VariationalRNN
      >>> rngs = nnx.Rngs(0)
      >>> cell = nnx.LSTMCell(3, 4, rngs=rngs)
      >>> rnn = VariationalRNN(cell, input_rate=0.2, state_rate=0.3, output_rate=0.2, rngs=rngs)
      >>> rnn(jnp.ones((2, 7, 3))).shape
      (2, 7, 4)

    References:
      Gal & Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
      Networks, 2016.

    """

    def __init__(
        self,
        cell: RNNCellBase,
        *,
        input_rate: ArrayLike = 0.0,
        state_rate: ArrayLike = 0.0,
        output_rate: ArrayLike = 0.0,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: Streams | None = None,
        **options: Any,
    ) -> None:
        """Makes the three sites."""
        super().__init__(_MaskedCell(cell), **options)
        site: dict[str, Any] = {
            "deterministic": deterministic,
            "rng_collection": rng_collection,
            "rngs": rngs,
        }
        time_dim = 0 if self.time_major else -(cell.num_feature_axes + 1)
        self.input_dropout = LockedDropout(input_rate, time_dim=time_dim, **site)
        self.state_dropout = Dropout(state_rate, **site)
        self.output_dropout = LockedDropout(output_rate, time_dim=time_dim, **site)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        inputs: Float[Array, "..."],
        *,
        initial_carry: Any = None,
        return_carry: bool | None = None,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        **options: Any,
    ) -> Any:
        """Runs the cell over the sequence.

        Args:
          inputs: of shape (batch, time, features), or (time, batch, features) if time-major.
          initial_carry: the state before the first step; the cell's own if None.
          return_carry: return the last state before the outputs.
          deterministic: True drops nothing.
          rngs: streams, one stream or a key, for the masks.
          **options: those of the call of `nnx.RNN` but `time_major`: seq_lengths, reverse,
            keep_order.

        Returns:
          The outputs, or (state, outputs).

        Raises:
          ValueError: as for every module.

        """
        mode: dict[str, Any] = {"deterministic": deterministic, "rngs": rngs}
        carry = self._first_carry(inputs) if initial_carry is None else initial_carry
        gain = self.state_dropout(jnp.ones_like(_hidden(carry)[1]), **mode)
        (carry, _), outputs = super().__call__(
            self.input_dropout(inputs, **mode),  # pyright: ignore[reportArgumentType]
            initial_carry=(carry, gain),
            return_carry=True,
            **options,
        )
        outputs = self.output_dropout(outputs, **mode)  # pyright: ignore[reportArgumentType]
        wanted = self.return_carry if return_carry is None else return_carry
        return (carry, outputs) if wanted else outputs

    def _first_carry(self, inputs: Float[Array, "..."]) -> Any:
        time = range(inputs.ndim)[self.input_dropout.time_dim]
        shape = inputs.shape[:time] + inputs.shape[time + 1 :]
        return self.cell.initialize_carry(shape, self.rngs)


class _MaskedCell(RNNCellBase):
    """A cell that reads its hidden state through a gain, which travels with its carry."""

    def __init__(self, cell: RNNCellBase) -> None:
        self.cell = cell

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes

    def initialize_carry(self, *arguments: Any, **keywords: Any) -> Any:
        return self.cell.initialize_carry(*arguments, **keywords)

    def __call__(self, carry: Any, inputs: Array) -> tuple[Any, Array]:
        (memory, hidden), gain = _hidden(carry[0]), carry[1]
        read = jnp.where(gain == 0, jnp.zeros_like(hidden), hidden * gain)
        carry, outputs = self.cell((*memory, read) if memory else read, inputs)
        return (carry, gain), outputs


def _hidden(carry: Any) -> tuple[tuple[Any, ...], jax.Array]:
    """The memory of a carry, if it has any, and its hidden state, which comes last."""
    return (carry[:-1], carry[-1]) if isinstance(carry, tuple) else ((), carry)
