import dataclasses
import functools
from statistics import NormalDist

import jax
import numpy as np
import pytest

from vae_jax import data, training
from vae_jax.factors import views
from vae_jax.measures.trained import Trained
from vae_jax.reports import pictures


@pytest.fixture
def trained(tiny, tiny_data, monkeypatch):
  """An untrained VAE with two latents, on grey images, and made-up results."""
  grey = {
    split: batch.replace(x=batch.x[:, ::2], shape=(6, 5, 1))
    for split, batch in tiny_data.items()
  }
  ex = dataclasses.replace(tiny, latents=2)
  hyper = ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, grey['train'])
  rivals = {
    'noisy_input': grey['test'].images(),
    'ridge': np.zeros((10, 6, 5, 1)),
  }
  figures = {
    'psnr_db': 12.3,
    'baselines': {'noisy_input': {'psnr_db': 5.1}, 'ridge': {'psnr_db': 11.9}},
  }
  history = [
    {'step': 0, 'test/nelbo_nats': 9.0, 'test/psnr_db': 5.0},
    {
      'step': 4,
      'test/nelbo_nats': 7.0,
      'train/nelbo_nats': 8.0,
      'test/psnr_db': 6.0,
    },
  ]
  return Trained(ex, grey, hyper, state, history, figures, rivals)


def texts(figure):
  found = [
    t.get_text() for t in figure.findobj(lambda a: hasattr(a, 'get_text'))
  ]
  return ' | '.join(found)


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def test_denoised_rows_show_the_best_rival_and_the_decibels(trained):
  figure = pictures.denoised(trained, count=3)
  shown = texts(figure)
  for words in ('clean', 'noisy input', 'ridge', 'this model', '12.3 dB'):
    assert words in shown
  assert '11.9 dB' in shown and '5.1 dB' in shown
  first = trained.test.wanted[0].squeeze()
  np.testing.assert_allclose(images(figure)[0].squeeze(), first)


def test_reconstructions_pair_each_image_with_its_own(trained):
  figure = pictures.reconstructions(trained, count=4)
  shown = [image.squeeze() for image in images(figure)]
  wanted = trained.reconstruct(trained.test.seen[[0, 2, 5, 7]]).squeeze()
  np.testing.assert_allclose(np.stack(shown[4:]), wanted)


def test_the_manifold_lies_on_quantiles_of_the_prior(trained, monkeypatch):
  asked = []
  monkeypatch.setattr(
    Trained,
    'decode',
    lambda self, z: asked.append(z) or np.zeros((len(z), 6, 5, 1)),
  )
  assert pictures.manifold(trained, size=4) is not None
  codes = asked[0].reshape(4, 4, 2)
  z = [NormalDist().inv_cdf(q) for q in (0.125, 0.375, 0.625, 0.875)]
  np.testing.assert_allclose(codes[0, :, 0], z, rtol=1e-6)
  np.testing.assert_allclose(codes[:, 0, 1], z[::-1], rtol=1e-6)


def test_more_than_two_latents_have_no_manifold(trained):
  ex = dataclasses.replace(trained.ex, latents=3)
  assert pictures.manifold(dataclasses.replace(trained, ex=ex)) is None


def test_the_scatter_holds_every_posterior_mean(trained):
  figure = pictures.latent_scatter(trained)
  points = np.concatenate(
    [c.get_offsets() for ax in figure.axes for c in ax.collections]
  )
  codes = trained.encode(trained.test.seen)
  assert len(points) == 10
  order = [np.lexsort(p.T) for p in (points, codes)]
  np.testing.assert_allclose(points[order[0]], codes[order[1]], atol=1e-6)
  assert 'posterior mean' in texts(figure)


def test_prior_samples_are_draws_of_the_run_s_seed(trained):
  figure = pictures.prior_samples(trained, rows=2, columns=3)
  mosaic = images(figure)[0].squeeze()
  first = trained.generate(6, trained.ex.seed)[0].squeeze()
  np.testing.assert_allclose(mosaic[:6, :5], first, atol=1e-6)


def test_curves_carry_their_unit(trained):
  assert 'nats per image' in texts(pictures.curves(trained))
  assert pictures.curves(dataclasses.replace(trained, history=[])) is None


def test_the_bars_hold_the_model_and_its_rivals(trained):
  shown = texts(pictures.against_baselines(trained))
  for words in ('12.3', '11.9', '5.1', 'this model', 'PSNR (dB)'):
    assert words in shown


def test_shown_examples_come_from_all_over_the_split():
  np.testing.assert_array_equal(data.spread(300, 3), [0, 100, 200])
  np.testing.assert_array_equal(data.spread(2, 10), [0, 1])


def test_a_labelled_model_draws_samples_with_the_labels_of_the_test_split(
  tiny, trained
):
  ex = dataclasses.replace(tiny, latents=2, view=views.labelled)
  hyper, batch = ex.hyper(), trained.data['train']
  state = training.init(jax.random.key(0), ex, hyper, batch)
  labelled = Trained(ex, trained.data, hyper, state)
  mosaic = images(pictures.prior_samples(labelled, rows=3, columns=4))[0]
  given = labelled.test.given[[*range(10), 0, 1]]
  wanted = labelled.generate(12, ex.seed, given)[11].squeeze()
  np.testing.assert_allclose(mosaic.squeeze()[-6:, -5:], wanted, atol=1e-6)
  assert pictures.manifold(labelled) is None  # of which class?


def test_enlarged_rows_show_bicubic_and_the_best_rival(tiny, trained):
  view = functools.partial(views.low_resolution, factor=2)
  grey = {
    split: batch.replace(x=batch.x[:, :24], shape=(6, 4, 1))
    for split, batch in trained.data.items()
  }
  ex = dataclasses.replace(tiny, view=view)
  hyper = ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, grey['train'])
  decibels = {'nearest': 9.0, 'bicubic': 10.0, 'ridge': 11.5}
  small = Trained(
    ex,
    grey,
    hyper,
    state,
    results={
      'psnr_db': 12.3,
      'baselines': {k: {'psnr_db': v} for k, v in decibels.items()},
    },
    rivals={
      name: np.full((10, 6, 4, 1), value / 20)
      for name, value in decibels.items()
    },
  )
  figure = pictures.enlarged(small, count=3)
  shown = texts(figure)
  for words in ('seen', 'bicubic', 'ridge', 'target', '12.3 dB', '2x as large'):
    assert words in shown
  assert '11.5 dB' in shown and '10.0 dB' in shown and 'nearest' not in shown
  rows = images(figure)[::3]
  assert [len(row) for row in rows] == [3, 6, 6, 6, 6]
  np.testing.assert_allclose([x.mean() for x in rows[1:3]], [0.5, 0.575])
  seen, wanted, _ = small.test
  np.testing.assert_allclose(rows[0].squeeze(), seen[0].squeeze())
  own = small.reconstruct(seen)[0]
  np.testing.assert_allclose(rows[3].squeeze(), own.squeeze(), atol=1e-6)
  np.testing.assert_allclose(rows[4].squeeze(), wanted[0].squeeze())


def test_a_scatter_is_drawn_of_what_is_known_of_the_plane():
  plane = {'points': np.eye(2), 'axes': ['across', 'up'], 'classes': []}
  figure = pictures.scatter_of(plane, 'mnist')
  [points] = figure.axes[0].collections
  np.testing.assert_array_equal(points.get_offsets(), np.eye(2))
  for words in ('across', 'up', 'unseen mnist'):
    assert words in texts(figure)
  named = plane | {'label': np.array([0, 1]), 'classes': ['cat', 'dog']}
  assert 'dog' in texts(pictures.scatter_of(named, 'mnist'))
