"""The mistakes of the lesson's originals (and of other libraries), each by a
test that would catch it here."""

import dataclasses
import functools
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data, networks, training
from vae_jax.config import grid
from vae_jax.factors import objectives, posteriors, priors, views
from vae_jax.factors.divergences import kl
from vae_jax.measures import importance, pooled
from vae_jax.measures.trained import Trained
from vae_jax.reports import pictures
from vae_jax.runs import command
from vae_jax.training import feed, replicate
from vae_jax.training.devices import OneRun
from vae_jax.training.step import example_keys, fold_in_step


def keys(n, seed=0):
  rows = [[seed, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(rows, np.uint32))


@pytest.fixture
def trained(tiny, tiny_data):
  state = training.init(
    jax.random.key(0), tiny, tiny.hyper(), tiny_data['train']
  )
  return Trained(tiny, tiny_data, tiny.hyper(), state)


def test_1_the_kl_is_that_of_what_is_drawn():
  n = 20_000
  z_mean, z_log_sigma = jnp.full((n, 1), 0.7), jnp.full((n, 1), 0.5)
  q, p = posteriors.Normal(z_mean, z_log_sigma), priors.StandardNormal(1)
  z = np.asarray(q.sample(keys(n)), np.float64)[:, 0]
  q_of, p_of = NormalDist(0.7, np.exp(0.5)), NormalDist()
  drawn = np.mean([np.log(q_of.pdf(x) / p_of.pdf(x)) for x in z])
  closed = float(kl(q, p, z_mean)[0, 0])
  assert closed == pytest.approx(drawn, abs=0.05)
  mistaken = -0.5 * (1 + 0.5 - 0.7**2 - np.exp(0.5))
  assert abs(mistaken - drawn) > 0.2  # or this would catch nothing


@pytest.mark.slow
def test_2_the_critic_is_trained(tiny, batch, start):
  ex = dataclasses.replace(
    tiny,
    posterior=posteriors.point,
    objective=objectives.adversarial,
    critic=functools.partial(networks.critic, widths=(8,)),
    critic_rate=1e-2,
    learning_rate=1e-12,  # the codes stay where they are
    steps_per_call=100,
  )
  devices = jax.local_devices()[:1]
  placed, hyper, state = start(ex, devices)
  call = training.over_devices(
    functools.partial(training.steps, ex), devices=devices
  )
  index = feed.order_of(ex, batch.size, OneRun(devices)).index(0, 100)
  _, metrics = call(placed, hyper, state, index)
  losses = np.asarray(metrics['critic_nats'])
  assert losses[-10:].mean() < 0.8 * losses[:10].mean()
  assert losses[-10:].mean() < 0.8 * 2 * np.log(2)


def test_3_every_step_has_noise_of_its_own(tiny, batch):
  ex = dataclasses.replace(tiny, view=views.noisy)
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  few = batch.take(np.arange(4))

  def seen(step):
    key_view, _ = jax.random.split(
      fold_in_step(state.replace(step=jnp.int32(step)))
    )
    return ex.view(few, example_keys(key_view, 4)).seen

  noise = [np.asarray(seen(step) - few.images()).ravel() for step in (0, 1)]
  assert abs(np.corrcoef(noise)[0, 1]) < 0.5
  assert (noise[0] != noise[1]).mean() > 0.3


def test_4_images_that_were_divided_already_are_refused(batch):
  divided = batch.replace(x=(batch.x > 127).astype(np.uint8))
  with pytest.raises(data.DataError, match='divided already'):
    data.checked(divided)
  assert 0.5 < float(batch.images().max()) <= 1


def test_5_pixels_and_latents_are_summed_so_beta_one_is_the_elbo(tiny, batch):
  example = views.clean(batch, None)
  model = tiny.model(batch)
  params = model.init(jax.random.key(0), example)
  n = batch.size
  value_B = objectives.elbo(model, params, example, keys(n))
  q = model.encode(params, example.seen)
  z_BZ = q.sample(keys(n))
  p = np.asarray(jax.nn.sigmoid(model.decode(params, z_BZ)), np.float64)
  x = np.asarray(example.wanted, np.float64)
  nll = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum((1, 2, 3)).mean()
  mean, sigma = (np.asarray(a, np.float64) for a in (q.mean, q.z_log_sigma))
  kl = (0.5 * (mean**2 + np.exp(2 * sigma) - 1 - 2 * sigma)).sum(1).mean()
  metrics = {name: float(x_B.mean()) for name, x_B in value_B.items()}
  assert metrics['nll_nats'] == pytest.approx(nll, rel=1e-5)
  assert metrics['kl_nats'] == pytest.approx(kl, rel=1e-4)
  assert metrics['loss'] == pytest.approx(nll + kl, rel=1e-5)


@pytest.mark.slow
def test_6_a_run_begins_with_weights_of_its_own(tiny, tiny_data, tmp_path):
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4)
  first = command.fit('tiny', [grid.alone(ex)], tmp_path / 'first')
  again = command.fit('tiny', [grid.alone(ex)], tmp_path / 'again')
  assert again.runs[''].history[0] == first.runs[''].history[0]  # before step 1
  jax.tree.map(
    np.testing.assert_array_equal,
    jax.device_get(again.trained[''].state.params),
    jax.device_get(first.trained[''].state.params),
  )


def test_7_a_manifold_covers_the_prior(trained, tiny, monkeypatch):
  ex = dataclasses.replace(tiny, latents=2)
  asked = []

  def decode(self, z):
    asked.append(z)
    return np.zeros((len(z), 6, 5, 1))

  monkeypatch.setattr(Trained, 'decode', decode)
  pictures.manifold(dataclasses.replace(trained, ex=ex))
  z = np.unique(asked[0][:, 0])
  share = NormalDist().cdf(float(z[-1])) - NormalDist().cdf(float(z[0]))
  assert share > 0.94  # linspace(-1, 1) covers 68 %


def test_8_codes_and_reconstructions_are_means_and_not_draws(trained):
  seen = trained.test.seen
  codes = [trained.encode(seen) for _ in range(2)]
  np.testing.assert_array_equal(*codes)
  q = trained.model.encode(trained.state.params, seen)
  np.testing.assert_allclose(codes[0], q.z_mean, rtol=1e-5, atol=1e-6)
  images = trained.reconstruct(seen)
  wanted = trained.decode(codes[0])
  np.testing.assert_array_equal(images, wanted)


@pytest.mark.slow
def test_8_more_samples_tighten_the_bound_and_their_number_counts(trained):
  ex = dataclasses.replace(trained.ex, nll_images=10)
  test = trained.data['test']
  found = []
  for k in (1, 500, 2000):
    ex = dataclasses.replace(ex, nll_samples=k)
    estimate = importance.nll(ex, OneRun(jax.devices()[:1]))
    [values] = estimate(test, trained.hyper, trained.state)
    found.append(values['nll_iw_nats'])
  assert found[1] < found[0] - 1
  # A sum in place of a mean would go on falling, by log 4 here.
  assert abs(found[2] - found[1]) < 0.5


def test_8_testing_trains_nothing(trained):
  before = jax.device_get(trained.state.params)
  placed = replicate((trained.data['test'], trained.hyper, trained.state))
  layout = OneRun(jax.local_devices())
  pooled.means(trained.ex, trained.ex.measures, layout)(*placed)
  after = jax.device_get(placed[2].params)
  jax.tree.map(np.testing.assert_array_equal, after, before)


def test_8_every_epoch_has_an_order_of_its_own_and_every_device_its_part(tiny):
  n, devices = 64, jax.local_devices()
  ex = dataclasses.replace(tiny, batch_size=8, steps_per_call=16)
  index_DKb = feed.order_of(ex, n, OneRun(devices)).index(0, 16)
  epochs = index_DKb.swapaxes(0, 1).reshape(2, n)
  for epoch in epochs:  # every example once
    np.testing.assert_array_equal(np.sort(epoch), np.arange(n))
  assert (epochs[0] != epochs[1]).mean() > 0.5
  parts = [set(part.ravel()) for part in index_DKb[:, :8]]
  assert not set.intersection(*parts)
