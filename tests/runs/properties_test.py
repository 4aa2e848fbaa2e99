"""States padded to a wider one's shapes, for any shapes: hypothesis looks for
some that do not come back as they were."""

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vae_jax.runs import stacked

LATENTS = st.integers(1, 64)


@st.composite
def trees(draw):
  """A tree of arrays of any shapes, and one with leaves at least as large."""
  rng, small, wide = np.random.default_rng(0), [], []
  for _ in range(draw(st.integers(0, 4))):
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    wider = [n + draw(st.integers(0, 3)) for n in shape]
    dtype = draw(st.sampled_from([np.float32, np.int32, np.uint32]))
    small.append(rng.integers(1, 99, shape).astype(dtype))
    wide.append(rng.integers(1, 99, wider).astype(dtype))
  return [{'w': x[:2], 'opt_state': (x[2:], ())} for x in (small, wide)]


def assert_equal(tree, wanted):
  def equal(x, y):
    np.testing.assert_array_equal(x, y)
    assert x.dtype == y.dtype

  jax.tree.map(equal, tree, wanted)


@given(trees())
def test_a_padded_tree_comes_back_and_its_padding_is_the_base_s(pair):
  small, base = pair
  before = jax.tree.map(np.copy, base)
  wide = stacked.padded(small, base)
  assert_equal(stacked.start_of(wide, small), small)
  assert_equal(base, before)
  # With the base's own start again, nothing of the small one is left.
  assert_equal(stacked.padded(stacked.start_of(base, small), wide), base)


@given(trees())
def test_padding_to_its_own_shapes_changes_nothing(pair):
  small, _ = pair
  other = jax.tree.map(np.zeros_like, small)
  assert_equal(stacked.padded(small, other), small)
  assert_equal(stacked.start_of(small, other), small)


@given(LATENTS, LATENTS)
def test_a_mask_switches_on_as_many_as_there_are(latents, more):
  z_mask = stacked.mask(latents, latents + more)
  assert z_mask.dtype == np.float32
  assert z_mask.tolist() == [1.0] * latents + [0.0] * more
