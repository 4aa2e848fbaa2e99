"""Long short-term memory over time: [L, B, F] -> [L, B, H].

What does not depend on the state before is taken out of the loop: the products
of all inputs are one, and so is the gradient of the recurrent kernel, after the
loop that goes back. Gates are in the order input, forget, cell, output
(Hochreiter & Schmidhuber 1997; Gers et al. 2000), and a forget gate's bias
begins at 1 (Jozefowicz et al. 2015).
"""

import contextlib
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from vae_jax.networks.layers.dense import plus

_written_out = False


@contextlib.contextmanager
def written_out():
  """Traced in here, loops over time are written out: XLA counts what a loop
  costs as if it ran once."""
  global _written_out
  _written_out = True
  try:
    yield
  finally:
    _written_out = False


class Weights(NamedTuple):
  """A layer's parameters: kernel [F, 4H], recurrent [H, 4H], bias [4H]."""

  kernel: jax.Array
  recurrent: jax.Array
  bias: jax.Array

  def gates(self, x):
    """What inputs [..., F] add to the gates: [..., 4H]."""
    return plus(x @ self.kernel, self.bias)

  def fixed_gates(self, fixed_B, inputs: int):
    """What features after the first `inputs` add to the gates: [B, 4H]."""
    return plus(fixed_B @ self.kernel[inputs:], self.bias)


class Lstm(nn.Module):
  """The parameters of a layer of H units on F inputs, as Weights."""

  inputs: int
  units: int

  @nn.compact
  def __call__(self, like):
    """The Weights, in the dtype that they share with `like`."""
    size = 4 * self.units
    kernel = self.param(
      'kernel', nn.initializers.lecun_normal(), (self.inputs, size)
    )
    recurrent = self.param('recurrent', orthogonals, (self.units, size))
    bias = self.param('bias', forgetful, (size,))
    return Weights(*promote_dtype(kernel, recurrent, bias, like)[:3])


def orthogonals(key, shape, dtype=jnp.float32):
  """An orthogonal matrix for each gate: [H, 4H]."""
  draw = partial(nn.initializers.orthogonal(), shape=(shape[0],) * 2)
  return jnp.concatenate(
    [draw(k, dtype=dtype) for k in jax.random.split(key, 4)], 1
  )


def forgetful(key, shape, dtype=jnp.float32):
  """Zeros, and ones for the forget gates: [4H]."""
  del key
  return jnp.zeros(shape, dtype).reshape(4, -1).at[1].set(1).reshape(shape)


def zero_state(b: int, units: int, dtype=jnp.float32):
  """The state of a layer that has seen nothing: (h, c), [B, H] each."""
  return jnp.zeros((b, units), dtype), jnp.zeros((b, units), jnp.float32)


def cell(gates_B, recurrent, state):
  """The state (h, c) after one step with these gates of the input; c and all
  that makes it is float32."""
  (h_BH, c_BH), _ = advance(gates_B, recurrent, state)
  return h_BH, c_BH


def advance(gates_B, recurrent, state):
  """((h, c), the activations i, f, g, o, [B, H] each) after one step."""
  h_BH, c_BH = state
  own_B = jnp.matmul(h_BH, recurrent, preferred_element_type=c_BH.dtype)
  i, f, g, o = jnp.split(gates_B + own_B, 4, -1)
  i, f, o = map(jax.nn.sigmoid, (i, f, o))
  g = jnp.tanh(g)
  c_BH = f * c_BH + i * g
  h_BH = (o * jnp.tanh(c_BH)).astype(h_BH.dtype)
  return (h_BH, c_BH), (i, f, g, o)


@jax.custom_vjp
def unrolled(gates_LB, recurrent, state):
  """h at every step for the gates [L, B, 4H] of all inputs: [L, B, H]."""
  return run(gates_LB, recurrent, state)[0]


def run(gates_LB, recurrent, state):
  """(h, c, activations) at every step."""

  def body(state, gates_B):
    # Kept as four arrays, not in one: 5 to 17 % of a layer's gradient.
    state, active = advance(gates_B, recurrent, state)
    return state, (*state, active)

  return lax.scan(body, state, gates_LB, unroll=_written_out or 1)[1]


def forward(gates_LB, recurrent, state):
  """unrolled, and what its gradient needs."""
  h_LBH, c_LBH, active_L = run(gates_LB, recurrent, state)
  return h_LBH, (h_LBH, c_LBH, active_L, recurrent, state)


def backward(kept, ct_LBH):
  """Gradients of the gates, the recurrent kernel and the first state."""
  h_LBH, c_LBH, active_L, recurrent, (h_BH, c_BH) = kept
  before_LBH = jnp.concatenate([c_BH[None], c_LBH[:-1]])
  transposed, wide = recurrent.T, c_BH.dtype

  def body(carry, step):
    dh_BH, dc_BH = carry
    ct_BH, c_BH, before_BH, (i, f, g, o) = step
    dh_BH, tanh_BH = dh_BH + ct_BH, jnp.tanh(c_BH)
    dc_BH += dh_BH * o * (1 - tanh_BH**2)
    gates_B = jnp.concatenate(
      [
        dc_BH * g * i * (1 - i),
        dc_BH * before_BH * f * (1 - f),
        dc_BH * i * (1 - g**2),
        dh_BH * tanh_BH * o * (1 - o),
      ],
      -1,
    ).astype(recurrent.dtype)
    dh_BH = jnp.matmul(gates_B, transposed, preferred_element_type=wide)
    return (dh_BH, dc_BH * f), gates_B

  zero = jnp.zeros(c_BH.shape, wide)
  steps = ct_LBH.astype(wide), c_LBH, before_LBH, active_L
  (dh_BH, dc_BH), gates_LB = lax.scan(
    body, (zero, zero), steps, reverse=True, unroll=_written_out or 1
  )
  past_LBH = jnp.concatenate([h_BH[None], h_LBH[:-1]])
  units = past_LBH.shape[-1]
  drecurrent = past_LBH.reshape(-1, units).T @ gates_LB.reshape(-1, 4 * units)
  return gates_LB, drecurrent, (dh_BH.astype(h_BH.dtype), dc_BH)


unrolled.defvjp(forward, backward)


def both_ways(gates_LB, gates_back_LB, recurrent, recurrent_back, state):
  """The last h of a layer from the start and of one from the end: [B, 2H]."""
  ahead_LBH = unrolled(gates_LB, recurrent, state)
  back_LBH = unrolled(gates_back_LB[::-1], recurrent_back, state)
  return jnp.concatenate([ahead_LBH[-1], back_LBH[-1]], -1)
