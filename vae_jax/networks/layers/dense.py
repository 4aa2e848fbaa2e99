"""Dense layers, and the bias of any layer."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax


class Dense(nn.Module):
  """A dense layer with the parameters of `nn.Dense`: [..., features]."""

  features: int

  @nn.compact
  def __call__(self, x_BF):
    """x_BF times the kernel, plus the bias."""
    shape = x_BF.shape[-1], self.features
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    x_BF, kernel, bias = promote_dtype(x_BF, kernel, bias)
    last = ((x_BF.ndim - 1,), (0,)), ((), ())
    return plus(lax.dot_general(x_BF, kernel, last), bias)


def plus(x, bias_O):
  """x [..., O] + bias_O, whose gradient is summed in float32.

  The sum of a bfloat16 bias's gradient sticks where a further value is less
  than its last bit: 8 instead of 204 (networks.pooled, 16 images, on CPU).
  """
  bias_O = bias_O.astype(jnp.promote_types(x.dtype, jnp.float32))
  wide = jnp.broadcast_to(bias_O, x.shape)
  return x + wide.astype(x.dtype)
