import types

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.runs import padding
from vae_jax.training import State


def tree(seed, *shapes):
  rng = np.random.default_rng(seed)
  return {str(i): rng.random(shape) for i, shape in enumerate(shapes)}


def test_a_smaller_tree_is_the_start_of_the_wider_one_and_comes_back():
  small, base = tree(0, (2, 3), (3,), ()), tree(1, (2, 5), (4,), ())
  wide = padding.within(small, base)
  np.testing.assert_array_equal(wide['0'][:, :3], small['0'])
  np.testing.assert_array_equal(wide['0'][:, 3:], base['0'][:, 3:])
  np.testing.assert_array_equal(wide['1'][3:], base['1'][3:])
  assert wide['2'] == small['2']
  back = padding.cut(wide, small)
  jax.tree.map(np.testing.assert_array_equal, back, small)


def test_padding_leaves_its_base_as_it_was():
  base = {'a': np.zeros(3)}
  padding.within({'a': np.ones(2)}, base)
  assert not base['a'].any()


def test_a_stack_gives_its_trees_back():
  trees = [tree(seed, (2,), ()) for seed in range(3)]
  stack = padding.stack(trees)
  assert stack['0'].shape == (3, 2)
  for one, found in zip(trees, padding.unstack(stack, 2), strict=False):
    jax.tree.map(np.testing.assert_array_equal, found, one)


def test_a_key_survives_the_host():
  key = jax.random.split(jax.random.key(3), 4)
  state = State(jnp.int32(1), jnp.int32(0), {}, (), key)
  found = padding.keyed(padding.host(state))
  assert not isinstance(padding.host(state).key, jax.Array)
  np.testing.assert_array_equal(*map(jax.random.key_data, (found.key, key)))
  assert jnp.issubdtype(found.key.dtype, jax.dtypes.prng_key)


def test_the_mask_switches_on_the_first_latents():
  np.testing.assert_array_equal(padding.mask(2, 4), [1, 1, 0, 0])
  assert padding.mask(4, 4).all()


def test_bytes_are_those_of_the_arrays():
  shape = types.SimpleNamespace(shape=(2, 3), dtype='float32')
  assert padding.size([np.zeros(5, np.int8), shape]) == 5 + 24
