import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.networks.layers import Conv, Dense
from vae_jax.networks.layers.dense import plus


def test_a_dense_layer_is_flaxs_from_the_same_key():
  x = jax.random.normal(jax.random.key(0), (4, 5))
  ours, flaxs = Dense(3), nn.Dense(3)
  params = flaxs.init(jax.random.key(1), x)
  drawn = ours.init(jax.random.key(1), x)
  jax.tree.map(np.testing.assert_array_equal, drawn, params)
  params['params']['bias'] += jnp.arange(3.0)
  outputs = ours.apply(params, x), flaxs.apply(params, x)
  np.testing.assert_array_equal(*outputs)


def test_the_gradient_of_a_bias_of_bfloat16_does_not_stick():
  """4,096 ones in bfloat16 add up to 256: a further one is half a last bit."""
  ones = jnp.ones((16, 16, 16, 2), jnp.bfloat16)
  bias = jnp.zeros(2, jnp.bfloat16)

  def total(bias, add):
    return add(ones, bias).astype(jnp.float32).sum()

  gradient = jax.grad(total)(bias, plus)
  assert gradient.dtype == jnp.bfloat16
  np.testing.assert_array_equal(gradient.astype(np.float32), 4096)


def test_layers_leave_the_bias_to_it():
  x = jnp.ones((16, 64, 64, 1), jnp.bfloat16)
  for layer, seen in ((Conv(2, 3), x), (Dense(2), x.reshape(65536, 1))):
    params = layer.init(jax.random.key(0), seen)
    params = jax.tree.map(lambda w: w.astype(jnp.bfloat16), params)

    def total(params, layer=layer, seen=seen):
      return layer.apply(params, seen).astype(jnp.float32).sum()

    gradient = jax.grad(total)(params)['params']['bias']
    np.testing.assert_array_equal(gradient.astype(np.float32), 65536)
