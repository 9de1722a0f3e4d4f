"""`DropConnect`: a module that holds another one, and drops its weights."""

from typing import Any

import jax
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Key

import jaxdrop
from jaxdrop import checks
from jaxdrop.nnx.base import DropRate, DropSite, KeySource, Streams
from jaxdrop.nnx.passing import parameters, taken_by
from jaxdrop.weights import Where

_OF_STREAMS = (nnx.MultiHeadAttention, nnx.RNN)


class DropConnect(DropSite, operator=jaxdrop.drop_connect, options=()):
    r"""`jaxdrop.drop_connect` around any NNX module: its parameters are dropped at each call.

    $$y = f(x; m \odot W / q), \qquad m_{ij} \sim \mathrm{Bernoulli}(q)$$

    Each parameter has a mask of its own, drawn once a call: around a `nnx.RNN` all times share it,
    recurrent kernels included. The parameters themselves do not change; what else the layer
    changes, batch statistics for instance, is kept. A layer whose call takes `deterministic`,
    `rngs` or `rate` is passed them too; one that has no mode of its own has this module's.

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
      TypeError: no module as layer, no number as rate, no function as where, or `rngs` of another
        kind.

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
        if not isinstance(layer, nnx.Module) or not callable(layer):
            raise TypeError(f"Expected an NNX module that can be called as layer; got {layer!r}.")
        no_weights = ()
        jaxdrop.drop_connect(jax.random.key(0), no_weights, 0.0, where=where, scale=scale)
        super().__init__(
            rate, deterministic=deterministic, rng_collection=rng_collection, rngs=rngs
        )
        self.layer, self.where, self.scale = layer, where, scale

    def __call__(
        self,
        *arguments: Any,
        deterministic: bool | None = None,
        rngs: KeySource | None = None,
        rate: ArrayLike | nnx.Variable | None = None,
        **keywords: Any,
    ) -> Any:
        """Calls the layer, on dropped parameters unless deterministic.

        It takes and returns what the layer does. Mode, streams (or a key) and rate reach the layer
        too, where its call takes them; where it takes them at a position, they may stand there.
        """
        given = {"deterministic": deterministic, "rngs": rngs, "rate": rate}
        taken = taken_by(self.layer)
        placed = taken.placed(arguments)
        asked = {name: placed.get(name) if v is None else v for name, v in given.items()}
        off = self._is_deterministic(asked["deterministic"])
        if deterministic is None and "deterministic" not in placed and _lacks_mode(self.layer):
            keywords["deterministic"] = off
        keywords |= taken.among(given | {"rngs": _as_taken(self.layer, rngs)})
        if off or (known := self._known(asked["rate"])) == 0:
            return self.layer(*arguments, **keywords)
        layer = self._dropped(self._key(known, asked["rngs"]), self._read(asked["rate"]))
        result = layer(*arguments, **keywords)
        nnx.update(self.layer, nnx.state(layer, nnx.Not(nnx.Param)))
        return result

    def _dropped(self, key: Key[Array, ""], rate: ArrayLike) -> Any:
        """A copy of the layer whose parameters are dropped."""
        graph, weights, rest = nnx.split(self.layer, nnx.Param, ...)
        options: dict[str, Any] = {"where": self.where, "scale": self.scale}
        dropped = jaxdrop.drop_connect(key, weights, rate, **options)
        return nnx.merge(graph, dropped, rest)


def _lacks_mode(layer: nnx.Module) -> bool:
    """Whether a call of the layer takes a mode that neither it nor, where None, its parts hold."""
    flag = parameters(layer).get("deterministic")
    if flag is None or _mode_of(layer) is not None:
        return False
    parts = (part for _, part in nnx.iter_modules(layer))
    return flag.default is not None or all(_mode_of(part) is None for part in parts)


def _as_taken(layer: nnx.Module, rngs: KeySource | None) -> KeySource | None:
    """Flax's attention and recurrent networks take streams, and no key."""
    parts = (part for _, part in nnx.iter_modules(layer))
    if rngs is None or not any(isinstance(part, _OF_STREAMS) for part in parts):
        return rngs
    is_stream = isinstance(rngs, nnx.Rngs | nnx.RngStream)
    return rngs if is_stream else nnx.RngStream(checks.as_key(rngs), tag="dropout")


def _mode_of(module: Any) -> bool | None:
    return getattr(module, "deterministic", None)
