import dataclasses
import json
import types

import jax
import numpy as np
import pytest

from vae_jax import training
from vae_jax.factors import posteriors
from vae_jax.measures.trained import Trained


@pytest.fixture
def untrained(tiny, tiny_data):
  """A function of fields of an experiment -> its model before any step."""

  def untrained(splits=tiny_data, **fields):
    ex = dataclasses.replace(tiny, **fields)
    hyper, key = ex.hyper(), jax.random.key(ex.seed)
    state = training.init(key, ex, hyper, splits['train'])
    return Trained(ex, splits, hyper, state)

  return untrained


@pytest.fixture
def trained(untrained):
  """An untrained VAE."""
  return untrained()


@pytest.fixture
def plain(untrained):
  """An untrained autoencoder: a point for a posterior, so no prior."""
  return untrained(posterior=posteriors.point)


@pytest.fixture
def grey(tiny_data):
  """The tiny images of one channel."""
  return {
    split: batch.replace(x=batch.x[:, ::2], shape=(6, 5, 1))
    for split, batch in tiny_data.items()
  }


@pytest.fixture
def blind():
  """A function: the model, its images without labels."""

  def blind(trained):
    bare = {s: b.replace(label=None) for s, b in trained.data.items()}
    return dataclasses.replace(trained, data=bare)

  return blind


@dataclasses.dataclass(frozen=True)
class Judge:
  """A classifier whose features are the pixels, and whose first class is what
  is dark, its second what is bright: nothing learned, all of it known."""

  images: dict
  seed: int = 0
  arm: str = 'classifier'
  results: dict = dataclasses.field(default_factory=lambda: {'accuracy': 0.9})

  @property
  def ex(self):
    return types.SimpleNamespace(seed=self.seed)

  def examples(self, split, limit):
    return types.SimpleNamespace(seen=self.images[split][:limit])

  def encode(self, images):
    return images.reshape(len(images), -1)

  def decode(self, features):
    bright = (features.mean(1) > 0.5).astype(float)
    return np.stack([1 - bright, bright], 1)[:, None, None]


@pytest.fixture
def judge(tiny_data):
  """A judge of the tiny images."""
  images = {s: np.asarray(b.images()) for s, b in tiny_data.items()}
  return Judge(images)


@pytest.fixture
def figures():
  """A function: what a study found, without its arrays, as JSON has it; what
  is neither a figure of strict JSON nor an array is an error."""

  def figures(found):
    arrays = {k for k, v in found.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in found.items() if k not in arrays}
    text = json.dumps(rest, allow_nan=False)
    assert json.loads(text) == rest
    return rest

  return figures
