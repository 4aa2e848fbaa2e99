import dataclasses
import signal

import jax
import numpy as np
import pytest

from vae_jax.training import feed
from vae_jax.training.devices import ManyRuns, OneRun


@pytest.fixture
def ex(tiny):
  """Eight examples a step, four steps a call."""
  return dataclasses.replace(tiny, batch_size=8, steps_per_call=4)


def layouts():
  """Layout and seeds of one run on 2 and 4 devices and of many on 1 and 2."""
  devices = jax.local_devices()
  yield OneRun(devices), None
  yield OneRun(devices[:2]), None
  yield ManyRuns(devices[:1], 3), (0, 7, 0)
  yield ManyRuns(devices[:2], 5), (3, 3, 3, 1, 2)  # one place to spare


def examples(got):
  """The examples of every step on every device, those of a step that is not
  made as -1: the index's shape and [P]."""
  batch, (index, stop) = got
  assert not np.asarray(stop).any()
  x, index = np.asarray(batch.x, int), np.asarray(index)
  per_device = x if x.ndim == 3 else [x] * len(index)
  seen = [x_NP[at] for x_NP, at in zip(per_device, index, strict=True)]
  return np.where(index[..., None] < 0, -1, np.stack(seen))


@pytest.mark.parametrize('starts', [(0, 1, 2), (0, 4, 8), (5, 1, 100)])
@pytest.mark.parametrize('layout, seeds', list(layouts()))
def test_both_feeds_give_the_same_examples_in_the_same_order(
  layout, seeds, starts, ex, batch
):
  order = feed.order_of(ex, batch.size, layout, seeds)
  resident, streamed = feed.Resident(order, batch), feed.Streamed(order, batch)
  for start, count in zip(starts, (1, 4, 3), strict=True):
    wanted = examples(resident(start, count))
    np.testing.assert_array_equal(examples(streamed(start, count)), wanted)
    assert (wanted >= 0).any()
  streamed.close()


def test_runs_of_one_seed_share_what_is_streamed(ex, batch):
  layout = ManyRuns(jax.local_devices()[:1], 4)
  order = feed.order_of(ex, batch.size, layout, (0, 7, 0, 7))
  streamed = feed.Streamed(order, batch)
  superbatch, _ = streamed(0, 4)
  assert superbatch.x.shape[:2] == (1, 2 * 4 * 8)
  streamed.close()


@pytest.mark.parametrize('kind', [feed.Resident, feed.Streamed])
def test_a_run_that_is_ahead_waits(kind, ex, batch):
  layout = ManyRuns(jax.local_devices()[:1], 2)
  order = feed.order_of(ex, batch.size, layout, (0, 1), firsts=(0, 3))
  ahead = kind(order, batch)
  found = examples(ahead(2, 3))[0]  # the second has made step 2 already
  even = kind(order._replace(firsts=(0, 0)), batch)
  wanted = examples(even(2, 3))[0]
  np.testing.assert_array_equal(found[0], wanted[0])
  np.testing.assert_array_equal(found[1, 1:], wanted[1, 1:])
  assert (found[1, 0] == -1).all() and (wanted[1, 0] >= 0).all()
  ahead.close()
  even.close()


@pytest.mark.parametrize('kind', [feed.Resident, feed.Streamed])
def test_a_signal_goes_with_the_index_to_every_device(
  kind, ex, batch, monkeypatch
):
  layout = OneRun(jax.local_devices())
  examples = kind(feed.order_of(ex, batch.size, layout), batch)
  monkeypatch.setattr(feed.signals, 'caught', lambda: signal.SIGTERM)
  _, (_, stop) = examples(0, 1)
  examples.close()
  assert stop.tolist() == [signal.SIGTERM] * 4


def test_a_failing_read_reaches_the_caller(ex, batch):
  class Broken:
    nbytes = 0
    shape = batch.x.shape

    def __getitem__(self, index):
      raise OSError('disk gone')

  order = feed.order_of(ex, batch.size, OneRun(jax.local_devices()))
  streamed = feed.Streamed(order, batch.replace(x=Broken()))
  with pytest.raises(OSError, match='disk gone'):
    streamed(0, 4)
  streamed.close()


def test_a_set_larger_than_its_share_of_memory_is_streamed(
  ex, batch, monkeypatch
):
  def kind(resident):
    changed = dataclasses.replace(ex, resident=resident)
    layout = OneRun(jax.local_devices())
    examples = feed.feed_of(feed.order_of(changed, batch.size, layout), batch)
    examples.close()
    return type(examples)

  assert kind('auto') == feed.Resident
  assert kind('never') == feed.Streamed
  monkeypatch.setattr(feed, 'HOST_BYTES', 1000.0)
  assert kind('auto') == feed.Streamed
  assert kind('always') == feed.Resident


def test_the_index_of_a_call_is_the_order_of_the_run(ex):
  devices = jax.local_devices()
  index = feed.order_of(ex, 26, OneRun(devices)).index(start=2, count=3)
  assert index.shape == (4, 4, 2)
  assert (index[:, 3] == -1).all()
  whole = feed.order_of(ex, 26, OneRun(devices[:1])).index(start=2, count=3)
  joined = np.concatenate(list(index), axis=1)
  np.testing.assert_array_equal(joined, whole[0])
