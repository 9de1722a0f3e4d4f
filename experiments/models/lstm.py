"""A language model over characters: embedding, one LSTM layer, logits of the next character.

Sites: `embedding` (whole characters), `input.naive` and `input.variational`, `recurrent.naive` and
`recurrent.variational` (the hidden state), `zoneout` (hidden and cell state), `weights` (the
recurrent kernel), `output`. Naive masks are drawn at every step, variational ones once a sequence.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, Key

import jaxdrop
from experiments.models.base import Architecture, Drop

SITES = (
    "embedding",
    "input.naive",
    "input.variational",
    "recurrent.naive",
    "recurrent.variational",
    "zoneout",
    "weights",
    "output",
)
State = tuple[Array, Array]


class LSTM(nnx.Module):
    """The model; see the head of the file for its sites."""

    def __init__(self, alphabet: int, embedding: int, hidden: int, *, rngs: nnx.Rngs) -> None:
        """Forget gates begin open (a bias of 1); gates stand in the order i, f, g, o."""
        self.embed = nnx.Embed(alphabet, embedding, rngs=rngs)
        lecun, orthogonal = nnx.initializers.lecun_normal(), nnx.initializers.orthogonal()
        self.kernel = nnx.Param(lecun(rngs.params(), (embedding, 4 * hidden)))
        self.recurrent = nnx.Param(orthogonal(rngs.params(), (hidden, 4 * hidden)))
        self.bias = nnx.Param(jnp.zeros(4 * hidden).at[hidden : 2 * hidden].set(1.0))
        self.head = nnx.Linear(hidden, alphabet, rngs=rngs)

    def __call__(
        self, x: Int[Array, "*batch length"], drop: Drop
    ) -> Float[Array, "*batch length alphabet"]:
        """The logits of what follows each character."""
        table = drop("embedding", self.embed.embedding[...], jaxdrop.embedding_dropout)
        inputs = drop("input.naive", table[x.reshape(-1, x.shape[-1])])
        inputs = drop("input.variational", inputs, jaxdrop.locked_dropout, time_dim=1)
        states = self._run(inputs @ self.kernel[...] + self.bias[...][None, None], drop)
        return self.head(drop("output", states)).reshape(*x.shape, -1)

    def _run(self, gates: Float[Array, "batch length gates"], drop: Drop) -> Array:
        """The hidden state after each step; masks that stay are drawn here, outside the loop."""
        recurrent = drop("weights", self.recurrent[...], jaxdrop.drop_connect)
        zero = jnp.zeros((len(gates), len(recurrent)))
        mask = drop("recurrent.variational", jnp.ones_like(zero))
        step = partial(_step, drop, recurrent, mask)
        times = jnp.arange(gates.shape[1])
        _, states = lax.scan(step, (zero, zero), (times, gates.swapaxes(0, 1)))
        return states.swapaxes(0, 1)


def _step(
    drop: Drop, recurrent: Array, mask: Array, state: State, now: tuple[Array, Array]
) -> tuple[State, Array]:
    """One character; the state is hidden and cell."""
    (hidden, cell), (time, gates) = state, now
    naive = drop.draw("recurrent.naive", time + 1)
    seen = drop("recurrent.naive", hidden * mask, draw=naive)
    i, f, g, o = jnp.split(gates + seen @ recurrent, 4, axis=-1)
    new = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    out = jax.nn.sigmoid(o) * jnp.tanh(new)
    hidden = _zoneout(drop, 2 * time, hidden, out)
    cell = _zoneout(drop, 2 * time + 1, cell, new)
    return (hidden, cell), hidden


def _zoneout(drop: Drop, place: Array, previous: Array, new: Array) -> Array:
    if drop.key is None:
        return jaxdrop.zoneout_inference(previous, new, drop.rate("zoneout"))
    keep = lambda key, new, rate: jaxdrop.zoneout(key, previous, new, rate)  # noqa: E731
    return drop("zoneout", new, keep, draw=drop.draw("zoneout", place))


@dataclass(frozen=True)
class LanguageModel(Architecture):
    """How to build an `LSTM`."""

    alphabet: int
    length: int
    embedding: int = 32
    hidden: int = 64

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the dropout sites."""
        return SITES

    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of one input."""
        return jax.ShapeDtypeStruct((self.length,), jnp.int32)

    def build(self, key: Key[Array, ""]) -> LSTM:
        """A model with fresh weights."""
        return LSTM(self.alphabet, self.embedding, self.hidden, rngs=nnx.Rngs(key))
