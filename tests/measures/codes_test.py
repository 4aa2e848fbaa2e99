"""Studies of codes: against closed forms, and against scikit-learn."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from vae_jax import networks
from vae_jax.factors import posteriors, views
from vae_jax.factors.views import Example
from vae_jax.measures import baselines, codes, features
from vae_jax.measures.discrepancy import fit_to_normal


def test_the_error_of_pca_is_that_of_as_many_components(trained, tiny_data):
  found = codes.against_pca(trained)['PCA']['mse']
  x, y = (np.asarray(tiny_data[s].images()) for s in ('train', 'test'))
  image = baselines.pca(Example(x, x), Example(y, y), trained.ex.latents)
  wanted = ((np.clip(image, 0, 1) - y) ** 2).mean()
  assert found == pytest.approx(wanted, rel=1e-4)
  fewer = codes.against_pca(trained, limit=5)['PCA']['mse']
  assert fewer != pytest.approx(wanted, rel=1e-3)


def test_the_error_of_a_model_is_that_of_its_reconstructions(trained, figures):
  found = codes.against_pca(trained)
  image = trained.reconstruct(trained.test.seen)
  wanted = ((image - trained.test.wanted) ** 2).mean()
  assert found['AE']['mse'] == pytest.approx(wanted, rel=1e-4)
  assert figures(found) == found
  assert all(
    set(f) == {'mse', 'knn', 'linear', 'trust'} for f in found.values()
  )


def test_codes_are_judged_beside_their_images():
  image = np.linspace(0, 1, 30).reshape(10, 3)
  label = np.arange(10) // 5
  found = codes.judged([image] * 2, [label] * 2, image, image + 2)
  # What is rebuilt is clipped to [0, 1] first: all of it is 1.
  assert found['mse'] == pytest.approx(((1 - image) ** 2).mean())
  assert found['trust'] == 1.0
  assert found['linear'] == features.linear_probe(
    (image, label), (image, label)
  )
  mixed = codes.judged([image] * 2, [label, 1 - label], image, image)
  assert (mixed['mse'], mixed['knn']) == (0.0, 1 - found['knn'])
  shuffled = np.random.default_rng(0).permutation(image)
  lost = codes.judged([image, shuffled], [label] * 2, image, image)
  assert lost['trust'] < 0.9  # by the codes of the test images


def test_images_without_labels_have_no_studies_of_labels(trained, blind):
  bare = blind(trained)
  assert codes.against_pca(bare) == {}
  assert codes.beside_pca(bare, sizes=(3,)) == {}
  assert codes.probed(bare) == {}


def test_codes_lie_beside_the_components_of_the_training_images(
  trained, figures
):
  found = codes.beside_pca(trained, sizes=(3,), most=4)
  seen = trained.test.seen[[0, 2, 5, 7]]
  np.testing.assert_allclose(found['autoencoder'], trained.encode(seen))
  x, y = features.flat(trained.examples('train', 99).seen), features.flat(seen)
  wanted = PCA(3).fit(x).transform(y)
  signs = np.sign((wanted * found['PCA']).sum(0))  # of a direction: any
  np.testing.assert_allclose(found['PCA'], signs * wanted, atol=1e-4)
  np.testing.assert_array_equal(
    found['label'], trained.data['test'].label[[0, 2, 5, 7]]
  )
  assert figures(found) == {'classes': ['a', 'b', 'c']}
  assert codes.beside_pca(trained) == {}  # of other sizes


def test_the_components_are_those_of_scikit_learn():
  x = np.random.default_rng(0).normal(size=(20, 6)) * [5, 4, 3, 2, 1, 1] + 7
  mean, basis = codes.components(x, 2)
  np.testing.assert_allclose(mean, x.mean(0))
  wanted = PCA(2).fit(x).components_.T
  np.testing.assert_allclose(np.abs(basis), np.abs(wanted), atol=1e-9)
  assert codes.components(x[:3], 5)[1].shape == (6, 3)  # of three examples


def test_labels_are_those_of_the_examples(trained):
  train = trained.data['train']
  numbered = train.replace(label=np.arange(train.size))
  model = dataclasses.replace(trained, data=trained.data | {'train': numbered})
  at = codes.labels_of(model, 'train', 5)
  assert list(at) == [0, 3, 6, 9, 12]
  whole = np.asarray(train.images())
  np.testing.assert_allclose(model.examples('train', 5).wanted, whole[at])


def test_the_plane_of_two_latents_is_theirs(untrained, figures):
  model = untrained(latents=2)
  found = codes.plane(model)
  np.testing.assert_array_equal(found['points'], model.encode(model.test.seen))
  np.testing.assert_array_equal(found['label'], model.data['test'].label)
  told = figures(found)
  assert told['classes'] == ['a', 'b', 'c'] and 'mean' in told['axes'][0]


def test_the_plane_of_more_latents_is_that_of_their_components(trained, blind):
  found = codes.plane(blind(trained))
  wanted = PCA(2).fit_transform(trained.encode(trained.test.seen))
  signs = np.sign((wanted * found['points']).sum(0))
  np.testing.assert_allclose(found['points'], signs * wanted, atol=1e-5)
  assert 'component' in found['axes'][0] and 'label' not in found


def test_one_latent_has_no_plane(untrained):
  assert codes.plane(untrained(latents=1)) == {}


def test_every_kind_of_feature_is_probed_at_every_count(trained, figures):
  found = codes.probed(trained, draws=3)
  assert figures(found) == found
  assert found['labels'] == [10, 16]  # sixteen images in all
  assert set(found['accuracy']) == {'encoder', *codes.RIVALS}
  for scores in found['accuracy'].values():
    assert [len(draws) for draws in scores] == [3, 3]
    assert all(0 <= score <= 1 for draws in scores for score in draws)


def test_the_random_encoder_is_probed_as_another_model_is(trained):
  found = codes.probed(trained, draws=3)['accuracy']
  random = codes.untrained(trained, trained.ex.seed + 1)
  for name, model in {'encoder': trained, 'random encoder': random}.items():
    pair = [
      model.encode(codes.clean(trained, split, 99))
      for split in ('train', 'test')
    ]
    wanted = codes.accuracies(trained, pair, 3, 99)
    assert found[name] == list(wanted.values())
  assert found['encoder'] != found['random encoder']


def test_all_labels_of_pixels_are_a_logistic_regression(trained):
  pixels = codes.probed(trained, draws=1)['accuracy']['pixels']
  x, y = (features.flat(codes.clean(trained, s, 99)) for s in ('train', 'test'))
  label = [trained.data[split].label for split in ('train', 'test')]
  mean, scale = x.mean(0), (x - x.mean(0)).std()
  model = LogisticRegression(tol=1e-8, max_iter=10_000)
  wanted = model.fit((x - mean) / scale, label[0])
  assert pixels[-1] == [wanted.score((y - mean) / scale, label[1])]


def test_features_are_of_clean_images_whatever_the_model_was_shown(trained):
  ex = dataclasses.replace(trained.ex, view=views.noisy)
  noisy = dataclasses.replace(trained, ex=ex)
  assert (noisy.test.seen != noisy.test.wanted).any()
  for split in ('train', 'test'):
    found = codes.clean(noisy, split, 100)
    np.testing.assert_array_equal(found, trained.data[split].images())
  few = codes.clean(noisy, 'train', 4)
  np.testing.assert_array_equal(few, trained.data['train'].images()[::4])


def test_labels_are_drawn_anew_where_they_are_few(trained, monkeypatch):
  drawn = []

  def few(label_N, count, seed):
    drawn.append((count, seed))
    return np.arange(count) % 3

  monkeypatch.setattr(codes, 'few_labels', few)
  monkeypatch.setattr(codes, 'LABELS', (2, 5, 40))
  ex = dataclasses.replace(trained.ex, seed=4)
  model = dataclasses.replace(trained, ex=ex)
  pair = [codes.clean(trained, split, 99) for split in ('train', 'test')]
  found = codes.accuracies(model, pair, 2, 99)
  assert list(found) == [2, 5, 16]  # there are no forty
  assert drawn == [(n, 4000 + d) for n in (2, 5, 16) for d in (0, 1)]


def test_many_labels_are_drawn_once(trained, monkeypatch):
  whole = trained.data['train'].take(np.arange(160) % 16)
  model = dataclasses.replace(trained, data=trained.data | {'train': whole})
  pair = [codes.clean(model, split, 999) for split in ('train', 'test')]
  found = codes.accuracies(model, pair, 2, 999)
  assert {n: len(scores) for n, scores in found.items()} == {
    10: 2, 100: 2, 160: 1,
  }  # fmt: skip


def test_the_random_encoder_is_the_same_net_with_other_parameters(trained):
  other = codes.untrained(trained, trained.ex.seed + 1)
  mine, its = (jax.tree.map(np.shape, r.state.params) for r in (trained, other))
  assert mine == its
  kernels = [
    r.state.params['encoder']['z_mean']['kernel'] for r in (trained, other)
  ]
  assert np.abs(kernels[0] - kernels[1]).max() > 0.01


def test_before_its_first_step_a_model_is_that_of_its_seed(trained):
  ended = trained.state.replace(
    params=jax.tree.map(lambda x: x + 1, trained.state.params)
  )
  found = codes.untrained(
    dataclasses.replace(trained, state=ended), trained.ex.seed
  )
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, found.state.params, trained.state.params)


def test_the_fit_is_that_of_the_codes_now_and_before_training(trained, figures):
  params = trained.state.params
  moved = params | {'encoder': jax.tree.map(lambda x: 3 * x, params['encoder'])}
  ended = dataclasses.replace(
    trained, state=trained.state.replace(params=moved)
  )
  found = codes.fit_to_prior(ended)
  assert figures(found) == found
  for name, model in {'trained': ended, 'untrained': trained}.items():
    wanted = fit_to_normal(model.encode(model.test.seen))
    assert found[name] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
  assert found['trained'] != pytest.approx(found['untrained'], rel=0.01)


def test_the_ranked_values_are_means_by_rank(trained, figures, monkeypatch):
  z = np.array([[1.0, -4.0], [0.0, 2.0]])
  monkeypatch.setattr(type(trained), 'encode', lambda self, *args: z)
  found = codes.ranked(trained)
  assert figures(found) == found
  assert found['activation'] == [3.0, 0.5]
  np.testing.assert_allclose(found['share_of_l1'], [0.9, 0.1])


def test_what_is_ranked_are_the_sizes_of_the_codes(untrained):
  rectified = functools.partial(networks.mlp, widths=(8,), rectified=True)
  model = untrained(network=rectified, posterior=posteriors.point)
  found = codes.ranked(model)
  z = model.encode(model.test.seen)
  assert sum(found['activation']) == pytest.approx(z.sum(1).mean(), rel=1e-5)
  assert found['activation'] == sorted(found['activation'], reverse=True)
  assert sum(found['share_of_l1']) == pytest.approx((z.sum(1) > 0).mean())
