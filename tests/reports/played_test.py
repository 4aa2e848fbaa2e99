import dataclasses

import numpy as np
import pytest

from vae_jax import data
from vae_jax.config import Experiment
from vae_jax.data.phrases import Phrase
from vae_jax.factors import views
from vae_jax.measures.trained import Run
from vae_jax.reports import played


@dataclasses.dataclass
class Model:
  """A model that decodes a code of L numbers as those classes."""

  ex: Experiment
  data: dict
  results: dict = dataclasses.field(default_factory=dict)
  label: str = ''

  @property
  def test(self):
    x = np.asarray(self.data['test'].images())
    return views.Example(x, x)

  def encode(self, seen, given=None):
    del given
    return np.asarray(seen).argmax(-1)[..., 0].astype(np.float32)

  def decode(self, z, given=None):
    del given
    return np.eye(90)[np.clip(np.rint(z), 0, 89).astype(int)][:, :, None]

  def reconstruct(self, seen, given=None):
    return self.decode(self.encode(seen), given)

  def generate(self, count, seed, given=None):
    del seed, given
    return np.asarray(self.data['test'].images())[:1].repeat(count, 0)


@pytest.fixture
def model():
  x = np.zeros((6, 32), np.uint16)
  x[:, ::4] = 40 + np.arange(6)[:, None] + np.arange(8)
  batch = data.Batch(x, None, (32, 1, 90), 89.0, numbers=True)
  return Model(Experiment(phrase='melody/2'), {'test': batch})


def test_phrases_stand_above_what_is_decoded_of_them(model):
  found = played.reconstructed(model)
  assert len(found.songs) == 8
  for unseen, decoded in zip(found.songs[:4], found.songs[4:], strict=True):
    assert unseen.tracks == decoded.tracks and unseen.tracks[0].notes
  assert [s.name for s in found.songs[:1]] == ['unseen 1']


def test_draws_are_played(model):
  found = played.sampled(model, rows=2, columns=3)
  assert len(found.songs) == 6 and len(found.figure.get_axes()) == 6
  # As many as fit beside each other.
  assert played.fitting(Phrase('melody', 16), 4) == 1


def test_between_two_phrases_the_distance_to_the_ends_is_monotone(model):
  way = played.on_the_way(model, 6)
  x = way['phrases']
  assert x.shape == (8, 32, 1)
  np.testing.assert_array_equal(x[0], x[1])
  np.testing.assert_array_equal(x[-1], x[-2])
  to_first = [(one != x[0]).mean() for one in x]
  to_second = [(one != x[-1]).mean() for one in x]
  assert to_first == sorted(to_first) and to_first[-1] > 0
  assert to_second == sorted(to_second, reverse=True)
  found = played.between(model)
  assert [s.name for s in found.songs][::7] == ['first', 'second']


def test_no_music_is_no_picture(model):
  images = model.data['test'].replace(numbers=False)
  other = dataclasses.replace(model, data={'test': images})
  for picture in (played.reconstructed, played.sampled, played.between):
    assert picture(other) is None
  assert played.drift(other) is None


def test_what_is_right_in_each_quarter_is_drawn(model):
  steps = {
    'accuracy_taught_by_step': [0.5, 0.7] * 16,
    'accuracy_free_by_step': [0.2] * 32,
  }
  model = dataclasses.replace(model, results=steps, label='flat')
  figure = played.drift(model)
  assert figure.get_suptitle().endswith(', flat')
  [axes] = figure.get_axes()
  taught, free = (line.get_ydata() for line in axes.lines)
  np.testing.assert_allclose(taught, [0.6] * 8)
  np.testing.assert_allclose(free, [0.2] * 8)


def run(label='', **results):
  base = {
    'accuracy_free': 0.9,
    'accuracy_taught': 0.95,
    'accuracy_shuffled': 0.5,
    'onset_f1': 0.8,
    'kl_nats': 10 * played.LN2,
  }
  rivals = {'rivals': {'hold': 0.7, 'bigram': 0.85}}
  return Run(Experiment(), base | results, rivals, [], label=label)


def test_the_verdict_has_both_accuracies_the_rival_and_the_bits():
  [line] = played.reproduced([run()]).verdicts
  for part in ('90.00 %', '95.00 %', '50.00 %', '10.00 bits', 'above bigram'):
    assert part in line
  [line] = played.reproduced([run(accuracy_free=0.8)]).verdicts
  assert 'NOT above bigram, 85.0 %' in line
  point = run()
  del point.results['kl_nats']
  [line] = played.reproduced([point]).verdicts
  assert 'bits' not in line
  assert played.reproduced([run()._replace(results={})]).verdicts == []


def test_several_settings_are_a_curve_of_accuracy_over_bits():
  runs = [
    run(f'beta={i}', kl_nats=i * played.LN2, accuracy_free=0.1 * i)
    for i in (1, 2, 4)
  ]
  found = played.reproduced(runs)
  [axes] = found.pictures['rate'].get_axes()
  free = axes.lines[0]
  np.testing.assert_allclose(free.get_xdata(), [1, 2, 4])
  np.testing.assert_allclose(free.get_ydata(), [0.1, 0.2, 0.4])
  assert len(found.verdicts) == 3
  assert played.reproduced(runs[:2]).pictures == {}


def test_a_drummer_is_heard_beside_the_model(model):
  x = np.zeros((6, 32, 9, 3), np.uint8)
  x[:, ::8, 1] = 255, 200, 128
  batch = data.Batch(x.reshape(6, -1), None, (32, 9, 3))
  wanted = np.asarray(batch.images())
  example = views.Example(wanted[..., :1], wanted, wanted[..., 0])

  class Drummer:
    ex = Experiment(phrase='groove/2')
    data = {'test': batch}
    test = example

    def reconstruct(self, seen, given):
      return np.full(wanted[: len(seen)].shape, 0.5)

  found = played.performed(Drummer())
  assert len(found.songs) == 8
  played_as, said = found.songs[0].tracks[0], found.songs[4].tracks[0]
  assert [n.start for n in played_as.notes] == [0, 8, 16, 24]
  assert [n.start for n in said.notes] == [0, 8, 16, 24]
  assert {n.velocity for n in played_as.notes} == {100}
  assert {n.velocity for n in said.notes} == {64}
  assert played.performed(model) is None


def test_the_verdict_on_a_drummer_has_habits_beside_it():
  one = run(velocity_error=3.0, delay_error_steps=0.05)
  one = one._replace(studies={'habits': {'each drum': [9.0, 0.07]}})
  [line] = played.humanised([one]).verdicts
  assert '3.00 of 127 off' in line and 'each drum 9.00 and 0.07' in line
  assert played.humanised([run()]).verdicts == []


def test_ways_between_phrases_stand_in_the_verdict():
  found = {'from_first': [0, 0.2, 0.3, 0.3], 'from_second': [0.4, 0.1, 0.2, 0]}
  [line] = played.reproduced([run(), run()]).verdicts
  assert 'circle' not in line
  runs = [run(), run()]
  for one in runs:
    one.studies['apart'] = found
  [line] = played.reproduced(runs).verdicts
  assert '2 of 3 parts of a great circle lead away' in line
  assert '2 nearer to the other' in line


def test_steering_stands_in_the_verdict():
  one = run()._replace(
    studies={'steered': {'note density': [2.0, 3.0, 5.0]}, 'rivals': {'x': 0.1}}
  )
  [line] = played.reproduced([one]).verdicts
  assert 'steered: note density 2 to 5 onsets a bar' in line
