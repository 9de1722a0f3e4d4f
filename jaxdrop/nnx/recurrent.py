"""`VariationalRNN`: a recurrent network whose states share a mask over time."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.recurrent import RNNCellBase
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxdrop import checks
from jaxdrop.nnx.base import KeySource, Streams
from jaxdrop.nnx.catalogue import Dropout, LockedDropout
from jaxdrop.nnx.passing import parameters


class VariationalRNN(nnx.RNN):
    r"""A `nnx.RNN` with one mask for all times on its inputs, its hidden state and its outputs.

    $$h_t, c_t = \mathrm{cell}(m^x \odot x_t, m^h \odot h_{t-1}, c_{t-1}), \qquad
    y_t = m^y \odot h_t$$

    with masks scaled by their keep probabilities, and drawn before the first step: no step draws
    random numbers. The memory of an LSTM is never dropped; the state of a GRU, which is its memory
    too, is dropped wherever the cell reads it.

    Args:
      cell: `nnx.LSTMCell`, `nnx.GRUCell`, another of Flax's recurrent cells, or your own. Its carry
        may be any pytree: the last array of floating-point numbers in it, in JAX's order (a dict is
        in that of its keys), is the hidden state, and all else is memory.
      input_rate: the rate on the inputs.
      state_rate: the rate on the hidden state, where a step reads it.
      output_rate: the rate on the outputs.
      deterministic: True drops nothing; None leaves it to the call.
      rng_collection: the stream that is taken from `nnx.Rngs`.
      rngs: streams or one stream, from which each of the three masks forks its own.
      **options: those of `nnx.RNN` (time_major, return_carry, reverse, keep_order, unroll).

    Raises:
      ValueError: a rate outside [0, 1].
      TypeError: no recurrent cell, no number as rate, `rngs` of another kind, or a carry without
        floating-point numbers.

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

    cell: Any  # a _MaskedCell

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
        if not isinstance(cell, nnx.Module) or not hasattr(cell, "initialize_carry"):
            raise TypeError(f"Expected a recurrent cell of Flax NNX as cell; got {cell!r}.")
        super().__init__(_MaskedCell(cell), **options)
        site: dict[str, Any] = {
            "deterministic": deterministic,
            "rng_collection": rng_collection,
            "rngs": rngs,
        }
        time_dim = self._time_dim(cell)
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
        seq_lengths: Int[Array, "..."] | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
    ) -> Any:
        """Runs the cell over the sequence, as `nnx.RNN` does and with its arguments.

        `deterministic` True drops nothing. The masks take their keys from `rngs`: streams, one
        stream, or a key.
        """
        before, within, behind = (_mode(deterministic, source) for source in _sources(rngs))
        carry = self._first_carry(inputs) if initial_carry is None else initial_carry
        gains = self._gains(carry, within)
        result: Any = super().__call__(
            self.input_dropout(inputs, **before),
            initial_carry=(carry, gains),
            return_carry=True,
            seq_lengths=seq_lengths,
            reverse=reverse,
            keep_order=keep_order,
        )
        (carry, _), outputs = result
        outputs = self.output_dropout(outputs, **behind)
        wanted = self.return_carry if return_carry is None else return_carry
        return (carry, outputs) if wanted else outputs

    def _time_dim(self, cell: Any) -> int:
        return 0 if self.time_major else -(cell.num_feature_axes + 1)

    def _first_carry(self, inputs: Float[Array, "..."]) -> Any:
        cell = self.cell.cell
        time = range(inputs.ndim)[self._time_dim(cell)]  # also where `remove` took the sites
        shape = inputs.shape[:time] + inputs.shape[time + 1 :]
        if "rngs" in parameters(cell.initialize_carry):
            return cell.initialize_carry(shape, rngs=self.rngs)
        return cell.initialize_carry(shape, self.rngs)

    def _gains(self, carry: Any, mode: dict[str, Any]) -> list[jax.Array | None]:
        """A factor for the hidden state among the leaves of a carry, and none for the others."""
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(carry)]
        hidden = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        if not hidden:
            raise TypeError(f"Expected a carry with floating-point numbers in it; got {carry!r}.")
        gain = self.state_dropout(jnp.ones_like(leaves[hidden[-1]]), **mode)
        return [gain if i == hidden[-1] else None for i in range(len(leaves))]


class _MaskedCell(RNNCellBase):
    """A cell that reads its hidden state through a gain, which travels with its carry."""

    def __init__(self, cell: RNNCellBase) -> None:
        self.cell = cell

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes

    def __call__(self, carry: Any, inputs: Array) -> tuple[Any, Array]:
        (carry, gains), (leaves, structure) = carry, jax.tree.flatten(carry[0])
        read = [_through(gain, leaf) for gain, leaf in zip(gains, leaves, strict=True)]
        carry, outputs = self.cell(structure.unflatten(read), inputs)
        return (carry, gains), outputs


def _through(gain: jax.Array | None, state: jax.Array) -> jax.Array:
    return state if gain is None else jnp.where(gain == 0, jnp.zeros_like(state), state * gain)


def _mode(deterministic: bool | None, rngs: Any) -> dict[str, Any]:
    return {"deterministic": deterministic, "rngs": rngs}


def _sources(rngs: KeySource | None) -> list[Any]:
    """Keys apart for the three masks: under one key those of one shape would be the same."""
    if rngs is None or isinstance(rngs, nnx.Rngs | nnx.RngStream):
        return [rngs] * 3
    return [*jax.random.split(checks.as_key(rngs), 3)]
