import numpy as np

from vae_jax import data


def test_an_epoch_visits_every_example_exactly_once():
  stream = data.order(seed=3, n=17, start=0, count=4 * 17).reshape(4, 17)
  assert stream.dtype == np.int32
  for epoch in stream:
    np.testing.assert_array_equal(np.sort(epoch), np.arange(17))
  assert len(np.unique(stream, axis=0)) == 4


def test_any_slices_of_the_order_agree():
  whole = data.order(seed=3, n=7, start=0, count=50)
  for start in range(0, 30, 3):
    for count in (0, 1, 6, 7, 20):
      part = data.order(seed=3, n=7, start=start, count=count)
      np.testing.assert_array_equal(part, whole[start : start + count])


def test_every_seed_has_an_order_of_its_own():
  a, b = (data.order(seed, n=40, start=0, count=40) for seed in (0, 1))
  assert (a != b).any()
