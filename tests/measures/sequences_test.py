import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import config, data, networks, training
from vae_jax.factors import likelihoods, views
from vae_jax.measures import pooled, sequences
from vae_jax.music.classes import HOLD, OFF
from vae_jax.training.devices import OneRun


@pytest.fixture
def phrases():
  """Sequences of 8 steps of 5 classes, most of which hold."""
  rng = np.random.default_rng(0)

  def split(count):
    x = rng.choice(5, (count, 8), p=[0.6, 0.1, 0.1, 0.1, 0.1]).astype(np.uint16)
    return data.Batch(x, None, (8, 1, 5), 4.0, numbers=True)

  return {'train': split(40), 'test': split(13)}


@pytest.fixture
def ex():
  network = functools.partial(networks.recurrent, encoder=4, widths=(5,))
  return config.Experiment(
    network=network,
    likelihood=likelihoods.categorical,
    measures=(sequences.accuracies,),
    batch_size=8,
    phrase='melody/1',
  )


def measured(ex, batch, said, shuffled=None):
  """The figures of a model that says these classes whatever is asked."""
  example = views.clean(batch, None)
  model = ex.model(batch)
  params = model.init(jax.random.key(0), example)

  class Said:
    """A model whose decoder is replaced."""

    network = model.network

    @staticmethod
    def encode(params, seen, given):
      del params, given
      mean = jnp.arange(len(seen), dtype=jnp.float32)[:, None]
      return dataclasses.make_dataclass('Q', ['mean'])(mean)

    @staticmethod
    def decode(params, z, given, teacher=None):
      del params, given
      if teacher is not None:
        return teacher
      right = z[:, 0] == jnp.arange(len(z))
      wrong = said if shuffled is None else shuffled
      return jnp.where(right[:, None, None, None], said, wrong)

  values = sequences.accuracies(Said, params, example, None)
  return pooled.derived({k: jnp.mean(v, 0) for k, v in values.items()})


def one_hot(x):
  return jax.nn.one_hot(np.asarray(x, int).reshape(-1, 8, 1), 5)


def test_what_is_right_is_counted_by_its_kind(ex, phrases):
  batch = phrases['test']
  wanted = np.asarray(batch.x)
  said = np.where(wanted > OFF, 2, HOLD)  # always the first pitch, never an end
  found = measured(ex, batch, one_hot(said), one_hot(np.full_like(said, HOLD)))
  right = said == wanted
  assert found['accuracy_free'] == pytest.approx(right.mean())
  assert found['accuracy_taught'] == 1.0
  assert found['accuracy_shuffled'] == pytest.approx((wanted == HOLD).mean())
  np.testing.assert_allclose(found['accuracy_free_by_step'], right.mean(0))
  onsets, hits = wanted > OFF, (wanted == 2)
  assert found['onset_f1'] == pytest.approx(hits.sum() / onsets.sum())
  assert found['accuracy_free_hold'] == 1.0 and found['accuracy_free_off'] == 0
  assert found['accuracy_free_onset'] == pytest.approx(
    hits.sum() / onsets.sum()
  )
  assert not any(name.startswith(('onsets_', 'kinds')) for name in found)


def test_another_network_is_refused_in_words(ex, phrases):
  other = dataclasses.replace(ex, network=networks.mlp)
  with pytest.raises(ValueError, match='need a network of sequences'):
    pooled.shapes(other, phrases['test'])


def test_of_drums_every_class_but_none_is_an_onset(ex, phrases):
  drums = functools.partial(ex.network, drums=(0,))
  x = np.asarray(phrases['test'].x)
  batch = phrases['test'].replace(shape=(8, 1, 512))
  hot = jax.nn.one_hot(x.reshape(-1, 8, 1).astype(int), 512)
  found = measured(dataclasses.replace(ex, network=drums), batch, hot)
  assert found['onset_f1'] == 1.0 and found['accuracy_free_onset'] == 1.0
  none = jnp.zeros_like(hot).at[..., 0].set(1)
  found = measured(dataclasses.replace(ex, network=drums), batch, none)
  assert found['onset_f1'] == 0 and found['accuracy_free_onset'] == 0


@pytest.mark.slow
def test_they_are_pooled_over_any_split(ex, phrases):
  layout = OneRun(jax.local_devices()[:2])
  key = jax.random.key(0)
  state = training.init(key, ex, ex.hyper(), phrases['train'])
  [found] = pooled.means(ex, ex.measured(), layout, 4)(
    phrases['test'], ex.hyper(), state
  )
  [whole] = pooled.means(ex, ex.measured(), OneRun(jax.local_devices()[:1]))(
    phrases['test'], ex.hyper(), state
  )
  for name in ('accuracy_taught', 'accuracy_free', 'onset_f1'):
    assert found[name] == pytest.approx(whole[name], abs=1e-6)
  assert len(found['accuracy_free_by_step']) == 8


def test_rivals_are_what_a_count_says(ex, phrases):
  trained = dataclasses.make_dataclass('Trained', ['data'])(phrases)
  found = sequences.rivals(trained)
  train, test = (np.asarray(phrases[s].x, int) for s in ('train', 'test'))
  assert found['hold'] == pytest.approx((test == HOLD).mean())
  assert found['majority'] == found['hold']  # of these, HOLD is most frequent
  right = 0
  for row in test:
    for step, value in enumerate(row):
      if step:
        following = train[:, 1:][train[:, :-1] == row[step - 1]]
      else:
        following = train[:, 0]
      right += np.bincount(following, minlength=5).argmax() == value
  assert found['bigram'] == pytest.approx(right / test.size)
  assert 'first bar again' not in found  # there is no other bar


def test_the_first_bar_again_is_right_where_bars_repeat():
  x = np.concatenate([np.eye(16, dtype=np.uint16)[:4]] * 2, 1)
  batch = data.Batch(x, None, (32, 1, 5), 4.0, numbers=True)
  other = batch.replace(x=np.roll(x, 1, 1) * (np.arange(32) < 16))
  make = dataclasses.make_dataclass('Trained', ['data'])
  same = sequences.rivals(make({'train': batch, 'test': batch}))
  assert same['first bar again'] == 1.0
  far = sequences.rivals(
    make({'train': batch, 'test': other.replace(x=other.x.astype(np.uint16))})
  )
  assert far['first bar again'] < 1.0
