"""Long short-term memory over time: [L, B, F] -> [L, B, H].

What does not depend on the state before is taken out of the loop: the products
of all inputs are one, and so is the gradient of the recurrent kernel, after the
loop that goes back. Gates are in the order input, forget, cell, output
(Hochreiter & Schmidhuber 1997; Gers et al. 2000), and a forget gate's bias
begins at 1 (Jozefowicz et al. 2015).
"""

import contextlib
import math
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

  def over(self, x_LBF, state, fixed_B=None, back: bool = False):
    """h at every step of inputs [L, B, F], from the first on or, `back`, from
    the last: [L, B, H]. `fixed_B` are the fixed_gates of what is beside them.
    """
    _, b, size = x_LBF.shape
    if fixed_B is None:
      # In float32, as in dense.plus: a sum of bfloat16 sticks.
      bias = self.bias.astype(state[1].dtype)
      fixed_B = jnp.broadcast_to(bias, (b, bias.size))
    return unrolled(
      x_LBF, self.kernel[:size], self.recurrent, fixed_B, state, back
    )


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
  i, f, o = map(sigmoid, (i, f, o))
  g = jnp.tanh(g)
  c_BH = f * c_BH + i * g
  h_BH = (o * jnp.tanh(c_BH)).astype(h_BH.dtype)
  return (h_BH, c_BH), (i, f, g, o)


def sigmoid(x):
  """As one tanh, which XLA has in one loop and vectors on CPU."""
  return 0.5 * jnp.tanh(0.5 * x) + 0.5


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def unrolled(x_LBF, kernel, recurrent, fixed_B, state, back=False):
  """h at every step of inputs [L, B, F] whose gates are x @ kernel plus those
  fixed [B, 4H]; `back`, from the last on: [L, B, H]."""
  return run(x_LBF, kernel, recurrent, fixed_B, state, back)[0]


def run(x_LBF, kernel, recurrent, fixed_B, state, back):
  """(h, c, activations) at every step."""

  def body(state, gates_B):
    # Kept as four arrays, not in one: XLA computes them side by side on CPU.
    state, active = advance(gates_B + fixed_B, recurrent, state)
    return state, (*state, active)

  gates_LB = x_LBF @ kernel
  unroll = _written_out or 1
  return lax.scan(body, state, gates_LB, reverse=back, unroll=unroll)[1]


def forward(x_LBF, kernel, recurrent, fixed_B, state, back):
  """unrolled, and what its gradient needs."""
  kept = run(x_LBF, kernel, recurrent, fixed_B, state, back)
  return kept[0], (kept, x_LBF, kernel, recurrent, fixed_B, state)


def backward(back, kept, ct_LBH):
  """Gradients of all that unrolled is given."""
  (h_LBH, c_LBH, active_L), x_LBF, kernel, recurrent, fixed_B, state = kept
  transposed, dtype, wide = recurrent.T, recurrent.dtype, c_LBH.dtype

  def before(first, a_LB):
    first = first[None]
    parts = [a_LB[1:], first] if back else [first, a_LB[:-1]]
    return jnp.concatenate(parts)

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
    ).astype(dtype)
    dh_BH = jnp.matmul(gates_B, transposed, preferred_element_type=wide)
    return (dh_BH, dc_BH * f), gates_B

  zero = jnp.zeros(state[1].shape, wide)
  steps = ct_LBH.astype(wide), c_LBH, before(state[1], c_LBH), active_L
  (dh_BH, dc_BH), gates_LB = lax.scan(
    body, (zero, zero), steps, reverse=not back, unroll=_written_out or 1
  )
  dstate = dh_BH.astype(h_LBH.dtype), dc_BH
  drecurrent = product(before(state[0], h_LBH), gates_LB)
  # A product: XLA's sum over steps takes ten times as long on CPU.
  ones_L = jnp.ones(len(gates_LB), dtype)
  dfixed_B = jnp.tensordot(ones_L, gates_LB, 1, preferred_element_type=wide)
  dfixed_B = dfixed_B.astype(fixed_B.dtype)
  dx_LBF = gates_LB @ kernel.T
  return dx_LBF, product(x_LBF, gates_LB), drecurrent, dfixed_B, dstate


def product(x_LBF, gates_LB):
  """The gradient of a kernel [F, 4H] between all steps' inputs and gates."""
  x, gates = (
    a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) for a in (x_LBF, gates_LB)
  )
  return x.T @ gates


unrolled.defvjp(forward, backward)
