"""Padding: every example is measured once and counts once, whatever the sizes;
hypothesis looks for some for which it does not."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vae_jax.data import Batch
from vae_jax.measures import pooled

FEW = st.integers(1, 9)
SIZES = st.integers(1, 60)


def split_of(n: int) -> Batch:
  """n examples on the host, whose two pixels say which each is."""
  x = np.arange(2 * n, dtype=np.int32).reshape(n, 2)
  return Batch(x, label=np.arange(n), shape=(1, 2, 1))


@given(st.integers(0, 200), FEW, FEW)
def test_a_padded_index_has_every_example_once(n, devices, batch_size):
  index_DnB = pooled.padded_index(n, devices, batch_size)
  assert index_DnB.shape[::2] == (devices, batch_size)
  assert index_DnB.size - n < devices * batch_size
  examples = np.concatenate([np.arange(n), np.full(index_DnB.size - n, -1)])
  np.testing.assert_array_equal(index_DnB.ravel(), examples)


@given(SIZES, FEW, FEW, st.integers(1, 70))
def test_portions_have_every_example_once(n, devices, batch_size, rows):
  data, found = split_of(n), []
  portions = list(pooled.portions(data, devices, batch_size, rows))
  assert len(portions) == -(-n // rows)
  for part, at_DnB, position_DnB in portions:
    counts = position_DnB >= 0
    assert (at_DnB[counts] >= 0).all()
    assert (position_DnB[~counts] == -1).all()
    for name in ('x', 'label'):
      there, here = getattr(data, name), getattr(part, name)
      np.testing.assert_array_equal(
        here[at_DnB[counts]], there[position_DnB[counts]]
      )
    found += position_DnB[counts].tolist()
  assert sorted(found) == list(range(n))
  shapes = {(part.x.shape, at.shape, to.shape) for part, at, to in portions}
  assert len(shapes) == 1  # or each would be another program


@given(SIZES, FEW, FEW, st.integers(1, 70))
def test_sums_over_portions_are_the_plain_sum(n, devices, batch_size, rows):
  data, total = split_of(n), np.zeros(2, int)
  for part, at, position in pooled.portions(data, devices, batch_size, rows):
    weight = (position >= 0)[..., None]
    total += np.where(weight, part.x[at], 0).sum((0, 1, 2))
  np.testing.assert_array_equal(total, data.x.sum(0))


@given(SIZES, FEW, FEW)
def test_a_split_on_the_devices_is_one_portion(n, devices, batch_size):
  data = split_of(n).replace(x=jnp.asarray(split_of(n).x))
  [(part, at, position)] = pooled.portions(data, devices, batch_size, rows=1)
  assert part is data and at is position
  np.testing.assert_array_equal(np.sort(at[at >= 0]), np.arange(n))


@st.composite
def figures(draw):
  """Figures of any shapes by name, and the same with padding at every end."""
  names = draw(st.sets(st.sampled_from('abcd')))
  own, wide = {}, {}
  for name in names:
    shape = draw(st.lists(st.integers(1, 4), max_size=3))
    own[name] = np.random.default_rng(0).random(shape)
    wide[name] = np.full([n + draw(st.integers(0, 3)) for n in shape], -1.0)
    wide[name][tuple(map(slice, shape))] = own[name]
  return own, wide


@given(figures())
def test_figures_without_their_padding_are_those_of_the_run_alone(pair):
  own, wide = ({k: x.tolist() for k, x in one.items()} for one in pair)
  shapes = {name: x.shape for name, x in pair[0].items()}
  assert pooled.unpadded(wide, shapes) == own
