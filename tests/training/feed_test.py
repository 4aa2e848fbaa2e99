import dataclasses

import jax
import numpy as np
import pytest

from vae_jax.training import feed


@pytest.fixture
def ex(tiny):
  """Eight examples a step, four steps a call."""
  return dataclasses.replace(tiny, batch_size=8, steps_per_call=4)


def examples(got, count):
  """What devices and steps see of a feed's answer: [count, B, P]."""
  batch, index_DKb = got
  x = np.asarray(batch.x)
  per_device = x if x.ndim == 3 else [x] * len(index_DKb)
  seen = [
    np.asarray(x_NP)[index_Kb[:count]]
    for x_NP, index_Kb in zip(per_device, index_DKb, strict=True)
  ]
  return np.concatenate(seen, axis=1)


@pytest.mark.parametrize('count', [1, 2, 4])
def test_both_feeds_give_the_same_examples_in_the_same_order(ex, batch, count):
  devices = jax.local_devices()
  resident = feed.Resident(ex, batch, devices)
  streamed = feed.Streamed(ex, batch, devices)
  for start in range(0, 3 * count, count):
    got = streamed(start, count)
    np.testing.assert_array_equal(
      examples(got, count), examples(resident(start, count), count)
    )
    assert (got[1][:, count:] == -1).all()
  streamed.close()


def test_a_stream_may_start_anywhere(ex, batch):
  devices = jax.local_devices()[:2]
  resident = feed.Resident(ex, batch, devices)
  streamed = feed.Streamed(ex, batch, devices)
  for start in (5, 1, 100):
    np.testing.assert_array_equal(
      examples(streamed(start, 4), 4), examples(resident(start, 4), 4)
    )
  streamed.close()


def test_a_failing_read_reaches_the_caller(ex, batch):
  class Broken:
    nbytes = 0
    shape = batch.x.shape

    def __getitem__(self, index):
      raise OSError('disk gone')

  broken = batch.replace(x=Broken())
  streamed = feed.Streamed(ex, broken, jax.local_devices())
  with pytest.raises(OSError, match='disk gone'):
    streamed(0, 4)
  streamed.close()


def test_a_set_larger_than_its_share_of_memory_is_streamed(
  ex, batch, monkeypatch
):
  devices = jax.local_devices()
  assert isinstance(feed.of(ex, batch, devices), feed.Resident)
  monkeypatch.setattr(feed, 'HOST_BYTES', 1000.0)
  kinds = {'auto': feed.Streamed, 'always': feed.Resident}
  for resident, kind in kinds.items():
    made = feed.of(dataclasses.replace(ex, resident=resident), batch, devices)
    assert isinstance(made, kind)
    made.close()


def test_the_index_of_a_call_is_the_order_of_the_run(ex):
  devices = jax.local_devices()
  index = feed.step_index(ex, 26, devices, start=2, count=3)
  assert index.shape == (4, 4, 2)
  assert (index[:, 3] == -1).all()
  whole = feed.step_index(ex, 26, devices[:1], start=2, count=3)
  joined = np.concatenate(list(index), axis=1)
  np.testing.assert_array_equal(joined, whole[0])
