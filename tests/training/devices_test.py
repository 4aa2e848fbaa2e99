import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.training import replicate


def _step(tree):
  key, x = tree['key'], tree['x']
  return {'key': jax.random.fold_in(key, 1), 'x': x + 1}


def test_a_replicated_key_survives_the_donation_of_its_copy():
  tree = {'key': jax.random.key(7), 'x': jnp.arange(3.0)}
  # One device: the case in which device_put makes an alias, not a copy.
  placed = replicate(tree, jax.local_devices()[:1])
  jax.block_until_ready(jax.jit(_step, donate_argnums=0)(placed))
  assert placed['x'].is_deleted()
  # Not compared with a view taken before, which would prevent the donation.
  wanted = jax.random.key_data(jax.random.key(7))
  np.testing.assert_array_equal(jax.random.key_data(tree['key']), wanted)
  np.testing.assert_array_equal(tree['x'], np.arange(3.0))


def test_replicate_puts_a_whole_copy_on_every_device(batch):
  placed = replicate(batch)
  shards = placed.x.addressable_shards
  assert {shard.device for shard in shards} == set(jax.local_devices())
  for shard in shards:
    np.testing.assert_array_equal(shard.data, batch.x)
