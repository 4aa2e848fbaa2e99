import dataclasses

import jax
import numpy as np
import pytest

from experiments import embedding
from vae_jax import training
from vae_jax.factors.views import Example
from vae_jax.measures import baselines
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims


@pytest.fixture
def runs(tiny, tiny_data):
  """Two untrained models of two sizes."""

  def run(latents):
    ex = dataclasses.replace(tiny, latents=latents)
    state = training.init(jax.random.key(0), ex, ex.hyper(), tiny_data['train'])
    label = f'd={latents}'
    return Trained(ex, tiny_data, ex.hyper(), state, arm=label, label=label)

  return [run(2), run(4)]


@pytest.mark.slow
def test_pca_has_as_many_components_as_the_code_has_numbers(runs, tiny_data):
  found = embedding.report(runs).results['codes']['PCA']['mse']
  x, y = (np.asarray(tiny_data[s].images()) for s in ('train', 'test'))
  for run in runs:
    image = baselines.pca(Example(x, x), Example(y, y), run.ex.latents)
    wanted = ((np.clip(image, 0, 1) - y) ** 2).mean()
    assert found[run.ex.latents] == pytest.approx(wanted, rel=1e-4)


def test_the_error_of_a_model_is_that_of_its_reconstructions(runs):
  found = embedding.report(runs).results['codes']['AE']['mse']
  for run in runs:
    image = run.reconstruct(run.test.seen)
    wanted = ((image - run.test.wanted) ** 2).mean()
    assert found[run.ex.latents] == pytest.approx(wanted, rel=1e-4)


def made_up(ae, pca):
  """Values of every measure, the same at d = 2 and 32."""
  return {
    method: {
      name: {2: [number], 32: [number]} for name, number in numbers.items()
    }
    for method, numbers in (('AE', ae), ('PCA', pca))
  }


GOOD = {'mse': 0.1, 'knn': 0.9, 'linear': 0.9, 'trust': 0.9}
BAD = {'mse': 0.2, 'knn': 0.8, 'linear': 0.8, 'trust': 0.8}


def test_claims_are_held_or_not_by_the_numbers():
  won = embedding.lines_on(made_up(GOOD, BAD))
  lost = embedding.lines_on(made_up(BAD, GOOD))
  held = [[' held' in line for line in lines] for lines in (won, lost)]
  # The last claim is that it loses.
  assert held == [[True, True, False], [False, False, True]]
  assert 'squared error per pixel better by 0.100' in won[0]


def test_a_single_size_and_images_without_labels_have_no_report(runs):
  assert embedding.report(runs[:1]) == claims.Report()
  bare = {s: b.replace(label=None) for s, b in runs[0].data.items()}
  blind = [dataclasses.replace(run, data=bare) for run in runs]
  assert embedding.report(blind) == claims.Report()
