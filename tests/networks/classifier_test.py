"""A classifier is an ordinary run: its network, its measure, its experiment."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import classifier
from vae_jax import networks, training
from vae_jax.config import grid
from vae_jax.factors import likelihoods, posteriors, views
from vae_jax.measures import per_example
from vae_jax.measures.trained import Trained
from vae_jax.runs import command
from vae_jax.runs.directory import Refused
from vae_jax.runs.prepare import check


@pytest.fixture
def small():
  """The experiment with a network that compiles in no time."""
  network = functools.partial(networks.classifier, widths=(3,))
  return dataclasses.replace(
    classifier.experiment, network=network, latents=5, steps=2, batch_size=8
  )


@pytest.fixture
def trained(small, tiny_data):
  """An untrained classifier of three classes."""
  hyper = small.hyper()
  state = training.init(jax.random.key(0), small, hyper, tiny_data['train'])
  return Trained(small, tiny_data, hyper, state)


def test_its_code_is_features_and_its_decoder_linear(trained):
  features = trained.encode(trained.test.seen)
  assert features.shape == (10, 5) and features.min() == 0
  decode = functools.partial(trained.model.decode, trained.state.params)
  zero, one, two, both = (
    decode(jnp.asarray(z)[None])
    for z in (0 * features[0], features[0], features[1], sum(features[:2]))
  )
  assert one.shape == (1, 1, 1, 3)
  np.testing.assert_allclose(both - zero, one + two - 2 * zero, atol=1e-5)


def test_its_mean_is_a_probability(trained):
  p = trained.reconstruct(trained.test.seen)
  np.testing.assert_allclose(p.sum(-1), np.ones((10, 1, 1)), rtol=1e-5)


def test_the_network_says_what_it_needs():
  shapes = views.Example((6, 5, 2), (1, 1, 3))
  heads = posteriors.normal(5).heads
  with pytest.raises(ValueError, match='no z_log_sigma: use posteriors.point'):
    networks.classifier(5, shapes, 1, heads)
  with pytest.raises(ValueError, match='needs latents'):
    networks.classifier(None, shapes, 1, {'z_mean': None})


class Stub:
  """A model whose logits are what it sees."""

  def encode(self, params, seen, given):
    return posteriors.Point(seen)

  def decode(self, params, z, given):
    return z[:, None, None, :]

  def log_likelihood(self, outputs, wanted):
    return likelihoods.categorical()(outputs, wanted)


def test_the_accuracy_is_the_share_of_right_classes_as_scikit_learn_says():
  from sklearn.metrics import accuracy_score, log_loss

  rng = np.random.default_rng(0)
  logits_BY = rng.normal(size=(20, 4)).astype(np.float32)
  label_B = rng.integers(0, 4, 20)
  wanted = np.eye(4, dtype=np.float32)[label_B][:, None, None]
  example = views.Example(jnp.asarray(logits_BY), jnp.asarray(wanted))
  found = per_example.accuracy(Stub(), None, example, None)
  share = accuracy_score(label_B, logits_BY.argmax(-1))
  assert found['accuracy'].mean() == pytest.approx(share)
  p_BY = np.asarray(jax.nn.softmax(logits_BY), np.float64)
  p_BY /= p_BY.sum(-1, keepdims=True)
  assert found['nll_nats'].mean() == pytest.approx(
    log_loss(label_B, p_BY, labels=range(4)), rel=1e-5
  )


def test_data_without_labels_are_refused_in_one_line(small, tiny_data):
  bare = {k: batch.replace(label=None) for k, batch in tiny_data.items()}
  with pytest.raises(Refused, match='needs labels'):
    check(small, bare)


@pytest.mark.slow
def test_it_learns_which_image_is_bright(small, tiny_data, tmp_path):
  for batch in tiny_data.values():
    batch.x[:] = np.where(batch.label[:, None] == 1, 200, 20)
    batch.label[:] = batch.label == 1
  ex = dataclasses.replace(small, dataset='tiny', steps=300, pictures=())
  ex = dataclasses.replace(ex, latents=16, learning_rate=1e-2)
  outcome = command.fit('classifier', [grid.alone(ex)], tmp_path / 'run')
  assert outcome.runs[''].results['accuracy'] == 1.0
  assert outcome.runs[''].results['majority_accuracy'] < 1.0
