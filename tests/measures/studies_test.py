"""What a model does, on stubs whose every answer is known and on tiny nets."""

import dataclasses
import functools
import types

import jax
import numpy as np
import pytest

from vae_jax.factors import priors, views
from vae_jax.factors.views import Example
from vae_jax.images import psnr_of
from vae_jax.measures import baselines, studies


def test_the_majority_is_that_of_the_training_labels(trained, figures):
  labels = {'train': np.array([2, 2, 1]), 'test': np.array([1, 2, 1, 1])}
  splits = {
    split: trained.data[split].take(np.arange(len(label))).replace(label=label)
    for split, label in labels.items()
  }
  found = studies.majority(dataclasses.replace(trained, data=splits))
  assert figures(found) == {'accuracy': 0.25}


def test_what_is_reconstructed_comes_from_all_over_the_split(trained, figures):
  found = studies.reconstructed(trained, count=4)
  assert figures(found) == {}
  seen, wanted, _ = trained.test
  np.testing.assert_array_equal(found['wanted'], wanted[[0, 2, 5, 7]])
  image = trained.reconstruct(seen)[[0, 2, 5, 7]]
  np.testing.assert_allclose(found['images'], image, rtol=1e-6)


def test_a_model_that_is_given_a_label_reconstructs_with_it(untrained):
  labelled = untrained(view=views.labelled)
  found = studies.reconstructed(labelled, count=99)
  seen, _, given = labelled.test
  wanted = labelled.reconstruct(seen, given)
  np.testing.assert_allclose(found['images'], wanted, rtol=1e-6)


def test_the_identity_passes_all_noise_and_a_constant_none():
  clean, noise = np.random.default_rng(0).random((2, 5, 4, 4, 1))
  test = Example(clean + noise, clean)
  found = studies.passed(test.seen, test.wanted, test)
  assert found['share_passed'] == pytest.approx(1)
  assert found['psnr_db'] == psnr_of(test.seen, clean)
  assert studies.passed(clean, clean, test)['share_passed'] == 0
  unmoved = studies.passed(clean, clean, Example(clean, clean))
  assert unmoved['share_passed'] == 0


def test_a_projection_passes_the_share_of_dimensions_of_white_noise():
  rng = np.random.default_rng(0)
  basis, _ = np.linalg.qr(rng.normal(size=(64, 16)))
  clean, noise = rng.normal(size=(2, 500, 64))
  test = Example(clean + noise, clean)
  projected = [x @ basis @ basis.T for x in test[:2]]
  found = studies.passed(*projected, test)['share_passed']
  np.testing.assert_allclose(found, 0.25, rtol=0.03)


@pytest.fixture
def pair(trained):
  """An untrained model that sees clean images, and one that sees noise."""
  noisy = functools.partial(views.noisy, shift=0.5)
  ex = dataclasses.replace(trained.ex, view=noisy)
  return trained, dataclasses.replace(trained, ex=ex)


def test_both_kinds_are_fed_the_same_noise(pair, figures):
  first, second = (studies.noise_passed(model, shown=99) for model in pair)
  for name in ('clean', 'noisy', 'images'):
    np.testing.assert_array_equal(first[name], second[name])
  np.testing.assert_array_equal(first['clean'], pair[0].test.wanted)
  assert (first['noisy'] != first['clean']).any((1, 2, 3)).all()
  both = {'psnr_db', 'share_passed'}
  assert set(figures(second)) == both
  assert set(figures(first)) == both | {'pca_psnr_db', 'pca_share_passed'}
  assert {k: first[k] for k in both} == {k: second[k] for k in both}


def test_what_passes_is_what_comes_out_of_the_model_and_of_a_pca(trained):
  found = studies.noise_passed(trained, shown=99)
  noisy, clean = found['noisy'], found['clean']
  np.testing.assert_array_equal(found['images'], trained.reconstruct(noisy))
  train = trained.examples('train', 99)

  def pca(seen):
    return baselines.pca(train, Example(seen, clean), trained.ex.latents)

  for prefix, f in (('', trained.reconstruct), ('pca_', pca)):
    share = ((f(noisy) - f(clean)) ** 2).sum() / ((noisy - clean) ** 2).sum()
    assert found[f'{prefix}share_passed'] == pytest.approx(share, rel=1e-4)
    wanted = psnr_of(f(noisy), clean)
    assert found[f'{prefix}psnr_db'] == pytest.approx(wanted, rel=1e-5)


def enlarges(factor, f):
  """A stub that sees images of 2x3 pixels and makes f of them."""
  rng = np.random.default_rng(1)
  wanted = rng.random((7, 2 * factor, 3 * factor, 1))
  return types.SimpleNamespace(
    test=Example(rng.random((7, 2, 3, 1)), wanted), reconstruct=f
  )


def test_noise_whose_pixels_are_repeated_agrees_with_itself(figures):
  def repeated(seen):
    return seen.repeat(4, 1).repeat(4, 2)

  model = enlarges(4, repeated)
  found = studies.fed_noise(model, count=6, shown=2)
  told = figures(found)
  assert told['consistency_db'] > 100
  noise = np.random.default_rng(0).random((6, 2, 3, 1), np.float32)
  assert told['extreme_share'] == studies.extreme(noise)
  assert told['extreme_share_test'] == studies.extreme(model.test.wanted)
  np.testing.assert_array_equal(found['noise'], noise[:2])
  np.testing.assert_array_equal(found['images'], repeated(noise[:2]))
  wanted = baselines.bicubic(None, Example(noise, repeated(noise)))
  np.testing.assert_allclose(found['bicubic'], wanted[:2], rtol=1e-6)
  error = ((repeated(noise) - np.clip(wanted, 0, 1)) ** 2).mean()
  assert told['against_bicubic_db'] == pytest.approx(-10 * np.log10(error))
  smooth = studies.extreme(np.clip(wanted, 0, 1))
  assert told['extreme_share_bicubic'] == smooth


def test_a_model_of_another_factor_is_fed_no_noise(trained):
  assert studies.fed_noise(enlarges(2, None)) == {}
  assert studies.fed_noise(trained) == {}


def test_a_tiny_net_is_fed_noise(untrained, grey, figures):
  four = {
    split: batch.replace(x=batch.x.repeat(16, 1), shape=(24, 20, 1))
    for split, batch in grey.items()
  }
  view = functools.partial(views.low_resolution, factor=4)
  model = untrained(four, view=view)
  found = studies.fed_noise(model, shown=3)
  assert found['noise'].shape == (3, 6, 5, 1)
  wanted = model.reconstruct(found['noise'])
  np.testing.assert_allclose(found['images'], wanted, rtol=1e-5)
  assert all(np.isfinite(v) for v in figures(found).values())


def test_pixels_are_extreme_near_both_ends():
  pixels = np.array([0.0, 0.05, 0.15, 0.5, 0.85, 0.95, 1.0])
  assert studies.extreme(pixels) == pytest.approx(4 / 7)
  assert studies.extreme(pixels, margin=0.2) == pytest.approx(6 / 7)


class Decoder:
  """Codes are images of two pixels."""

  ex = types.SimpleNamespace(seed=0)

  @property
  def test(self):
    pixels = np.random.default_rng(1).normal(size=(500, 1, 2, 1))
    return types.SimpleNamespace(seen=pixels * [[[2.0], [0.5]]])

  def encode(self, seen):
    return seen.reshape(len(seen), 2)

  def decode(self, z):
    return z.reshape(-1, 1, 2, 1)


def test_noise_on_codes_is_in_units_of_their_deviation():
  model = Decoder()
  levels = (0.0, 0.5, 3.0)
  found = studies.with_noise(model, model.test.seen, levels)[..., 0].squeeze()
  moved = found - found[0]
  sigma = model.encode(model.test.seen).std(0)
  for level, by in zip(levels, moved, strict=True):
    np.testing.assert_allclose(by.std(0), level * sigma, rtol=0.1, atol=1e-6)
  # The same noise at every level.
  np.testing.assert_allclose(moved[2], 6 * moved[1], rtol=1e-4, atol=1e-5)


def test_noise_is_put_on_the_code_of_one_image_of_each_class(trained, figures):
  found = studies.noisy_codes(trained, levels=(0.0, 1.0))
  label = trained.data['test'].label
  first = [list(label).index(y) for y in range(3)]
  np.testing.assert_array_equal(found['wanted'], trained.test.wanted[first])
  clean, noisy = found['images']
  image = trained.reconstruct(trained.test.seen[first])
  np.testing.assert_allclose(clean, image, atol=1e-6)
  assert (clean != noisy).any((1, 2, 3)).all()
  assert figures(found) == {'levels': [0.0, 1.0]}


def test_the_flips_are_those_that_a_classifier_sees(trained, judge, figures):
  model = trained.told(among=(trained, judge))
  found = studies.label_flips(model, count=6, levels=(0.0, 0.5, 5.0))
  assert figures(found) == found
  seen = trained.test.seen[[0, 1, 3, 5, 6, 8]]
  images = studies.with_noise(trained, seen, (0.0, 0.5, 5.0))
  bright = images.mean((2, 3, 4)) > 0.5
  shares = (bright != bright[0]).mean(1)
  assert found == {
    'levels': [0.0, 0.5, 5.0],
    'flipped_share': pytest.approx(shares),
  }
  assert found['flipped_share'][0] == 0 < max(shares)


def test_without_a_classifier_nothing_flips(trained):
  assert studies.label_flips(trained) == {}
  assert studies.label_flips(trained.told(among=(trained,))) == {}


def shows_labels():
  """A model of two classes that shows the label and, with every pixel drawn,
  always the first."""
  shown = np.eye(2)[[0, 0, 0, 0]]
  model = types.SimpleNamespace(
    prior=lambda params: priors.StandardNormal(3),
    decode=lambda params, z, given: given,
    likelihood=types.SimpleNamespace(sample=lambda outputs, key_B: shown),
  )
  batch = types.SimpleNamespace(classes=('a', 'b'))
  return types.SimpleNamespace(
    ex=types.SimpleNamespace(seed=5),
    data={'test': batch},
    state=types.SimpleNamespace(params=None),
    model=model,
    decode=lambda z, given: given,
  )


def test_labels_are_asked_for_each_as_often():
  given = studies.asked(shows_labels(), 3)
  np.testing.assert_array_equal(given.argmax(-1), [0, 0, 0, 1, 1, 1])
  np.testing.assert_array_equal(given.sum(-1), np.ones(6))


def test_draws_are_the_prior_s_of_the_seed(trained):
  found = studies.draws(trained, 4)
  np.testing.assert_array_equal(
    trained.decode(found), trained.generate(4, trained.ex.seed)
  )
  ex = dataclasses.replace(trained.ex, seed=1)
  other = studies.draws(dataclasses.replace(trained, ex=ex), 4)
  assert found.shape == (4, 3) and (found != other).all()


def test_agreement_is_the_share_that_the_judge_gives_the_label():
  judge = types.SimpleNamespace(
    encode=lambda images: images,
    decode=lambda features: features,
    results={'accuracy': 0.9},
  )
  assert studies.agreement(shows_labels(), judge, 2) == {
    'label_accuracy': 1.0,
    'label_accuracy_drawn_pixels': 0.5,
    'classifier_accuracy': 0.9,
  }


def test_a_row_has_one_label_and_a_column_one_code(untrained, judge, figures):
  model = untrained(view=views.labelled)
  found = studies.label_accuracy(model, columns=4)
  assert figures(found) == {'classes': ['a', 'b', 'c']}
  assert found['images'].shape == (3, 4, 6, 5, 2)
  z = studies.draws(model, 4)
  given = np.tile(np.eye(3, dtype=np.float32)[1], (4, 1))
  wanted = model.decode(z, given)
  np.testing.assert_allclose(found['images'][1], wanted, atol=1e-6)
  judged = studies.label_accuracy(model.told(among=(judge,)), each=8, columns=4)
  told = figures(judged)
  assert told['classifier_accuracy'] == 0.9
  # Of what is dark or bright, two of three labels.
  for name in ('label_accuracy', 'label_accuracy_drawn_pixels'):
    assert 0 <= told[name] <= 2 / 3
  np.testing.assert_array_equal(judged['images'], found['images'])


def test_pixels_are_drawn_from_the_likelihood_of_what_was_asked_for(
  untrained, judge
):
  model = untrained(view=views.labelled)
  seen = []

  class Sees(type(judge)):
    def encode(self, images):
      seen.append(images)
      return super().encode(images)

  sees = Sees(judge.images)
  studies.agreement(model, sees, 2)
  mean, pixels = seen
  given = studies.asked(model, 2)
  wanted = model.decode(studies.draws(model, 6), given)
  np.testing.assert_allclose(mean, wanted, rtol=1e-5)
  assert set(np.unique(pixels)) == {0, 1}  # of Bernoulli draws
  keys = jax.random.split(jax.random.key(model.ex.seed + 1), 6)
  outputs = model.model.decode(
    model.state.params, studies.draws(model, 6), given
  )
  drawn = model.model.likelihood.sample(outputs, keys)
  np.testing.assert_array_equal(pixels, drawn)


def test_a_model_that_is_given_no_label_is_asked_for_none(trained, judge):
  assert studies.label_accuracy(trained.told(among=(judge,))) == {}


@pytest.fixture
def domains(trained):
  """Two untrained models, of images and of inverted images, who know each
  other, a third of another seed and one of other images."""
  other = {
    split: batch.replace(x=255 - batch.x)
    for split, batch in trained.data.items()
  }
  small = {
    split: batch.replace(x=batch.x[:, :30], shape=(6, 5, 1))
    for split, batch in trained.data.items()
  }
  ex = dataclasses.replace(trained.ex, seed=1)
  models = (
    trained.told(label='plain'),
    dataclasses.replace(trained, data=other, label='inverted'),
    dataclasses.replace(trained, data=other, ex=ex, label='seed'),
    dataclasses.replace(trained, data=small, label='small'),
  )
  return [model.told(among=models) for model in models]


def test_every_model_meets_every_test_set(domains, figures):
  for trained in domains[:2]:
    found = studies.abroad(trained)
    told = figures(found)
    assert told['shape'] == [6, 5, 2]
    fitted = Example(*[np.asarray(trained.data['train'].images())] * 2)
    for tested in domains[:2]:
      seen, wanted, _ = tested.test
      error = (trained.reconstruct(seen) - wanted) ** 2
      expected = -10 * np.log10(error.mean())
      np.testing.assert_allclose(
        told['psnr_db'][tested.label], expected, rtol=1e-5
      )
      image = np.clip(
        baselines.pca(fitted, tested.test, trained.ex.latents), 0, 1
      )
      expected = -10 * np.log10(((image - wanted) ** 2).mean())
      np.testing.assert_allclose(
        told['pca_psnr_db'][tested.label], expected, rtol=1e-5
      )


def test_only_models_of_its_seed_and_its_size_are_its_neighbours(domains):
  for trained in domains[:2]:
    found = studies.abroad(trained)
    assert list(found['psnr_db']) == ['plain', 'inverted']
  assert studies.abroad(domains[2]) == studies.abroad(domains[3]) == {}


def test_images_of_every_test_set_are_shown_through_the_model(domains):
  found = studies.abroad(domains[0], shown=5)
  shown = found['test images']
  assert len(shown) == 4  # two of each
  np.testing.assert_array_equal(shown[:2], domains[0].test.seen[[0, 5]])
  np.testing.assert_allclose(shown[2:], 1 - shown[:2], atol=1e-6)
  np.testing.assert_array_equal(found['images'], domains[0].reconstruct(shown))
  np.testing.assert_array_equal(
    studies.abroad(domains[1], shown=5)['test images'], shown
  )


def test_a_model_by_itself_has_nowhere_to_go(trained):
  assert studies.abroad(trained) == {}
  assert studies.abroad(trained.told(among=(trained,))) == {}
