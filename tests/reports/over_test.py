import dataclasses
import functools
import math

import numpy as np
import pytest

from vae_jax import data, networks
from vae_jax.config import grid
from vae_jax.factors import likelihoods
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims, over
from vae_jax.runs import command


@pytest.fixture
def run(tiny):
  """A function (latents, nll, seed, error, arm) -> a run with these figures."""

  def run(latents, nll, seed=0, error=0.5, arm='', changes=()):
    ex = dataclasses.replace(tiny, latents=latents, seed=seed)
    figures = {
      'nll_iw_nats': nll,
      'nll_iw_stderr_nats': error,
      'nelbo_nats': nll + 1,
      'nll_nats': nll - 9,
      'kl_nats': 10.0 + latents,
      'psnr_db': 20.0,
      'active_units': latents,
      'kl_per_latent_nats': [1.0] * latents,
      'baselines': {'pca': {'psnr_db': 15.0}},
    }
    rest = {'arm': arm, 'changes': tuple(changes)}
    return Trained(ex, {}, None, None, [], figures, **rest)

  return run


def test_the_smallest_within_one_standard_error_of_the_best_is_enough(run):
  found = over.enough(
    [run(2, 120.0), run(4, 100.4), run(8, 100.0), run(16, 100.1)]
  )
  assert (found['enough'], found['best']) == (4, 8)
  found = over.enough([run(4, 100.6), run(8, 100.0)])
  assert found['enough'] == 8


def test_the_error_is_over_the_seeds_and_over_the_images(run):
  seeds = [run(8, nll, seed) for seed, nll in enumerate((100.0, 101.0, 103.0))]
  found = over.enough([run(2, 200.0), *seeds])
  over_seeds = np.std([100.0, 101.0, 103.0], ddof=1) / math.sqrt(3)
  wanted = math.hypot(over_seeds, 0.5)
  assert found['standard_error_nats'] == pytest.approx(wanted)


def test_a_report_is_drawn_for_each_arm_that_varies(run):
  found = over.report(
    [run(2, 9.0, arm='a'), run(4, 8.0, arm='a'), run(4, 7.0, arm='b')]
  )
  assert set(found.pictures) == {
    'over_latents_a', 'rate_distortion_a', 'kl_per_latent_a',
  }  # fmt: skip
  [line] = found.verdicts
  assert line.startswith('a: at least 4 latents are needed: NLL 8.0 nats')
  assert found.results['latents_a']['nats'] == {2: 9.0, 4: 8.0}


def test_where_the_largest_number_is_best_the_answer_is_at_least_that(run):
  [line] = over.report([run(2, 9.0), run(3, 8.0)]).verdicts
  assert line.startswith('at least 3 latents are needed: NLL 8.0 nats')
  assert line.endswith('(tried 2, 3; 1 run each)')
  [line] = over.report([run(2, 9.0), run(3, 8.0), run(4, 7.9)]).verdicts
  assert line.startswith('3 latents are enough: NLL 8.0 nats, within one')


def test_only_runs_that_differ_in_the_seed_are_repeats(run):
  def swept(beta):
    changes = [f'beta={beta}', 'epochs=2', 'latents=2', 'seed=1']
    return [run(2, 9.0 * beta, changes=changes), run(4, 8.0, changes=changes)]

  found = over.report([*swept(1), *swept(2)])
  assert list(found.results) == ['latents_beta=1', 'latents_beta=2']
  assert all(answer['runs'] == 1 for answer in found.results.values())
  assert 'over_latents_beta=2' in found.pictures
  assert found.verdicts[0].startswith('beta=1: at least 4 latents')


def test_runs_of_one_size_have_no_such_report(run):
  found = over.report([run(4, 8.0), run(4, 7.0, seed=1)])
  assert found == claims.Report()


def texts(figure):
  axes = [a.get_xlabel() + a.get_ylabel() for a in figure.axes]
  return ' | '.join(axes)


def test_the_curves_show_what_was_measured(run):
  found = over.report([run(2, 9.0), run(4, 8.0)])
  shown = texts(found.pictures['over_latents'])
  for words in ('latents', 'nats per test image', 'PSNR (dB)', 'active units'):
    assert words in shown
  [axes] = found.pictures['rate_distortion'].axes
  np.testing.assert_allclose(axes.lines[0].get_xdata(), [12.0, 14.0])
  np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.0, -1.0])


def test_plain_autoencoders_are_compared_by_their_reconstruction(run):
  members = [run(2, 9.0), run(4, 8.0)]
  for member in members:
    for name in ('nll_iw_nats', 'nelbo_nats', 'kl_nats', 'kl_per_latent_nats'):
      del member.results[name]
  found = over.report(members)
  assert found.results['latents']['measure'] == 'nll_nats'
  assert found.pictures['rate_distortion'] is None


@pytest.mark.slow
def test_five_factors_need_five_latents(tiny, monkeypatch, tmp_path):
  rng = np.random.default_rng(0)
  factors = rng.standard_normal((5, 16))
  factors, _ = np.linalg.qr(factors.T)  # five directions of equal strength
  x = rng.standard_normal((4000, 5)) @ factors.T * 0.16
  x += 0.08 * rng.standard_normal(x.shape) + 0.5
  x = np.clip(np.rint(255 * x), 0, 255).astype(np.uint8)

  def batch(part):
    return data.Batch(x[part], None, (4, 4, 1))

  splits = {'train': batch(slice(3000)), 'test': batch(slice(3000, None))}
  monkeypatch.setitem(data.EMBEDDED, 'linear', lambda: splits)
  ex = dataclasses.replace(
    tiny,
    dataset='linear',
    network=functools.partial(networks.mlp, widths=()),
    likelihood=functools.partial(likelihoods.normal, sigma=0.08),
    batch_size=60,
    steps=12_000,
    steps_per_call=2000,
    learning_rate=3e-3,
    nll_samples=100,
    nll_images=1000,
    devices=1,
  )
  members = grid.members(ex, ['latents=4,5,8', 'seed=0,1'])
  outcome = command.fit('linear', members, tmp_path)
  answer = outcome.report.results['latents']
  assert answer['enough'] == 5
  # No model is better than the entropy of what made the data.
  covariance = factors @ factors.T * 0.16**2 + np.eye(16) * 0.08**2
  entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
  assert answer['nats'][5] == pytest.approx(entropy, abs=0.1)
  assert answer['nats'][4] > entropy + 0.5 * math.log(5) - 0.1
