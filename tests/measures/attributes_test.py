import dataclasses

import numpy as np
import pytest

from vae_jax import data
from vae_jax.measures import attributes
from vae_jax.music.classes import OFF


def phrase(*onsets, steps=32):
  """Class numbers of one track, from (step, class) pairs."""
  x = np.zeros((1, steps, 1), int)
  for step, value in onsets:
    x[0, step, 0] = value
  return x


def test_density_range_and_syncopation_are_counted():
  x = phrase((0, 41), (4, 43), (6, 53), (9, OFF), (31, 45))
  found = attributes.counted(x)
  assert found['note density'] == [2.0]  # four onsets in two bars
  assert found['pitch range'] == [12]
  assert found['syncopation'] == [0.5]  # two of four


def test_silence_has_none_of_them_and_drums_no_range():
  assert [v[0] for v in attributes.counted(phrase()).values()] == [0, 0, 0]
  hits = phrase((0, 1), (4, 1), (5, 3))
  found = attributes.counted(hits, drums=(0,))
  assert found['note density'] == [1.5] and found['pitch range'] == [0]
  assert attributes.counted(hits)['note density'] == [0.5]  # ends are none


def test_a_direction_leads_from_the_least_to_the_most():
  value_N = np.array([3.0, 0.0, 2.0, 1.0, 9.0, 8.0, 5.0, 4.0])
  codes = np.stack([value_N, -value_N, np.ones(8)], 1)
  found = attributes.direction(codes, value_N)
  np.testing.assert_allclose(found, [8.0, -8.0, 0.0])


@dataclasses.dataclass
class Model:
  """A model whose code is how many onsets a phrase begins with."""

  data: dict
  given: None = None

  @property
  def test(self):
    seen = np.asarray(self.data['test'].images())
    return dataclasses.make_dataclass('E', ['seen', 'given'])(seen, self.given)

  @property
  def model(self):
    make = dataclasses.make_dataclass
    score = make('S', ['drums'])(())
    decoder = make('D', ['score'])(score)
    network = make('N', ['decoder'])(decoder)
    return make('M', ['network'])(network)

  def encode(self, seen):
    return (seen.argmax(-1) > OFF).sum((1, 2))[:, None].astype(np.float32)

  def decode(self, z):
    at = np.arange(32) < np.clip(np.rint(z), 0, 32)
    return np.eye(90)[np.where(at, 50, 0)][:, :, None]


@pytest.fixture
def model():
  counts = np.arange(40) % 8 + 4
  x = ((np.arange(32) < counts[:, None]) * 50).astype(np.uint16)
  batch = data.Batch(x, None, (32, 1, 90), 89.0, numbers=True)
  return Model({'train': batch, 'test': batch})


def test_steering_moves_what_it_names(model):
  found = attributes.steered(model)
  density = found['note density']
  assert density == sorted(density) and density[-1] > density[0] + 1
  assert density[2] == pytest.approx(7.5 / 2)  # the unseen as they are
  assert 'pitch range' not in found  # they do not differ in it
  assert found['note density vector'].shape == (1,)


def test_what_is_given_something_is_not_steered(model):
  assert attributes.steered(dataclasses.replace(model, given=1)) == {}
