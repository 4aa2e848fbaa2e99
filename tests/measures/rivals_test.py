import dataclasses
import functools

import numpy as np
import pytest

from vae_jax import config
from vae_jax.factors import views
from vae_jax.images import image_quality
from vae_jax.measures import baselines, rivals


@pytest.fixture
def trained(denoiser):
  return denoiser


@pytest.mark.slow
def test_a_baseline_is_measured_on_the_images_that_the_model_saw(trained):
  done = rivals.with_baselines(trained)
  seen, wanted, _ = trained.test
  mse = ((seen - wanted) ** 2).mean()
  measured = done.results['baselines']['noisy_input']
  assert measured['mse'] == pytest.approx(mse, rel=1e-5)
  assert measured['psnr_db'] == pytest.approx(-10 * np.log10(mse), abs=1e-4)


def test_baselines_get_fresh_noise_on_every_draw_of_a_small_set(
  trained, monkeypatch
):
  monkeypatch.setattr(rivals, 'BASELINE_EXAMPLES', 48)
  example = rivals.training_examples(trained)
  assert example.seen.shape == (48, 6, 5, 2)
  np.testing.assert_array_equal(example.wanted[:16], example.wanted[16:32])
  assert (example.seen[:16] != example.seen[16:32]).mean() > 0.3


def test_a_view_without_noise_is_drawn_once(trained):
  clean = dataclasses.replace(trained.ex, view=views.clean)
  example = rivals.training_examples(dataclasses.replace(trained, ex=clean))
  assert len(example.seen) == 16


@pytest.mark.slow
@pytest.mark.parametrize(
  'view, fitted', [(views.clean, [2, 3]), (views.noisy, [2, 2, 3])]
)
def test_runs_share_what_is_fitted_if_they_see_the_same(
  trained, view, fitted, monkeypatch
):
  asked = []

  def of_any_size(train, test):
    asked.append(None)
    return test.wanted

  def of_its_size(train, test, components=None):
    asked.append(components)
    return test.wanted

  runs, shared = [], {}
  for latents in (2, 2, 3):
    ex = dataclasses.replace(
      trained.ex, view=view, latents=latents, baselines=(of_its_size,)
    )
    run = dataclasses.replace(trained, ex=ex, results={}, rivals={})
    runs.append(rivals.with_baselines(run, shared))
  assert asked == fitted
  for run in runs:
    assert run.results['baselines']['of_its_size']['mse'] == 0
  asked.clear()
  for run in runs:
    ex = dataclasses.replace(run.ex, baselines=(of_any_size,))
    rivals.with_baselines(dataclasses.replace(run, ex=ex), shared)
  assert len(asked) == (1 if view is views.clean else 3)


def test_a_rival_has_the_model_s_size_unless_it_was_told_another():
  render = config.render
  assert render(rivals.sized(baselines.pca, 5)) == (
    'baselines.pca(components=5)'
  )
  told = functools.partial(baselines.pca, components=2)
  assert rivals.sized(told, 5) is told
  assert rivals.sized(baselines.ridge, 5) is baselines.ridge


def test_quality_of_many_images_is_that_of_each(monkeypatch):
  monkeypatch.setattr(rivals, 'QUALITY_BATCH', 3)
  a, b = np.random.default_rng(0).random((2, 7, 12, 13, 1), np.float32)
  wanted = image_quality(a, b)
  for name, value in rivals.quality_N(a, b).items():
    np.testing.assert_allclose(value, wanted[name], rtol=1e-5)


def test_a_trained_model_is_not_written_into(trained):
  before = dict(trained.results)
  done = rivals.with_baselines(trained)
  assert trained.results == before and trained.rivals == {}
  assert done.rivals.keys() == done.results['baselines'].keys()
  # What was computed and compiled for the one serves the other.
  assert done.test is trained.test
