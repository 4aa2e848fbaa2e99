import dataclasses

import jax
import numpy as np
import pytest

from vae_jax.factors import views
from vae_jax.measures.trained import Run


def test_codes_are_posterior_means_whatever_the_count(trained):
  seen = np.tile(trained.test.seen, (14, 1, 1, 1))  # 140: more than a chunk
  codes = trained.encode(seen)
  assert codes.shape == (140, 3)
  q = trained.model.encode(trained.state.params, trained.test.seen)
  np.testing.assert_allclose(codes[:10], q.z_mean, atol=1e-6)
  np.testing.assert_allclose(codes[130:], q.z_mean, atol=1e-6)


def test_a_reconstruction_is_the_decoded_mean_code(trained):
  seen = trained.test.seen
  image = trained.reconstruct(seen)
  np.testing.assert_array_equal(image, trained.decode(trained.encode(seen)))
  wanted = trained.model.reconstruct(trained.state.params, seen)
  np.testing.assert_allclose(image, wanted, atol=1e-6)


def test_integers_are_pixels_as_they_are_stored(trained):
  batch = trained.data['test']
  stored = np.asarray(batch.x).reshape(-1, *batch.shape)
  wanted = trained.encode(np.asarray(batch.images()))
  for x in (stored, stored.astype(np.int64)):
    np.testing.assert_array_equal(trained.encode(x), wanted)


def test_no_examples_have_no_codes_and_no_images(trained):
  assert trained.encode(np.zeros((0, 6, 5, 2))).shape == (0, 3)
  assert trained.decode(np.zeros((0, 3))).shape == (0, 6, 5, 2)
  assert trained.reconstruct(np.zeros((0, 6, 5, 2))).shape == (0, 6, 5, 2)


def test_what_cannot_be_encoded_is_said(trained):
  seen = np.zeros((2, 6, 5, 2))
  with pytest.raises(ValueError, match='one image is a batch of one'):
    trained.encode(seen[0])
  with pytest.raises(ValueError, match='values that are not finite'):
    trained.encode(np.full_like(seen, np.nan))
  for use in (trained.encode, trained.reconstruct):
    with pytest.raises(ValueError, match='this model is given nothing'):
      use(seen, np.eye(3))


def test_a_labelled_model_wants_a_label_for_each_example(trained):
  ex = dataclasses.replace(trained.ex, view=views.labelled)
  labelled = dataclasses.replace(trained, ex=ex)
  seen = np.zeros((2, 6, 5, 2))
  for use in (labelled.encode, labelled.reconstruct):
    with pytest.raises(ValueError, match=r'needs what it is given.*\[N, 3\]'):
      use(seen)
    with pytest.raises(ValueError, match=r'2 examples are given \[3, 3\], not'):
      use(seen, np.eye(3))
  with pytest.raises(ValueError, match=r'5 examples are given \[3, 3\], not'):
    labelled.generate(5, given=np.eye(3))


def test_generated_images_depend_on_the_seed_alone(trained):
  a, again, other = (trained.generate(4, seed) for seed in (1, 1, 2))
  assert a.shape == (4, 6, 5, 2)
  np.testing.assert_array_equal(a, again)
  assert (a != other).any()


def test_the_test_view_holds_the_images_of_the_test_split(trained, tiny_data):
  wanted = tiny_data['test'].x.reshape(-1, 6, 5, 2) / 255
  np.testing.assert_allclose(trained.test.wanted, wanted, atol=1e-6)


def test_some_of_a_split_is_all_of_it_where_it_is_small(trained):
  jax.tree.map(
    np.testing.assert_array_equal, trained.examples('test', 99), trained.test
  )
  few = trained.examples('train', 4)
  whole = np.asarray(trained.data['train'].images())
  assert len(few.seen) == 4 < len(whole)
  np.testing.assert_allclose(few.wanted, whole[::4], rtol=1e-6)


def test_the_noise_of_some_training_images_is_not_that_of_the_test(trained):
  ex = dataclasses.replace(trained.ex, view=views.noisy)
  batch = trained.data['test']
  same = {'train': batch, 'test': batch}
  noisy = dataclasses.replace(trained, ex=ex, data=same)
  train, test = noisy.examples('train', 99), noisy.examples('test', 99)
  np.testing.assert_array_equal(train.wanted, test.wanted)
  assert (train.seen != test.seen).any((1, 2, 3)).all()


def test_a_run_is_what_is_known_of_a_model_without_it(trained):
  known = {
    'results': {'psnr_db': 1.0},
    'history': [{'step': 0}],
    'arm': 'wide',
    'label': 'wide, beta=2',
    'changes': ('arms=wide', 'beta=2'),
  }
  studies = {'plane': {'points': np.zeros((3, 2))}}
  run = trained.told(**known).run(studies)
  assert run == Run(trained.ex, studies=studies, **known)
  assert not {'state', 'data', 'encode'} & set(dir(run))
  assert trained.run() == Run(trained.ex, {}, {}, [])


def test_a_model_that_is_told_something_is_the_same_model(trained):
  codes = trained.encode(trained.test.seen)
  other = trained.told(results={'a': 1}, rivals={'pca': codes})
  assert (other.results, trained.results) == ({'a': 1}, {})
  assert list(other.rivals) == ['pca'] and other.ex is trained.ex
  # What was computed and compiled is not done again.
  assert other.test is trained.test and other.model is trained.model
  assert other._encode is trained._encode and '_decode' not in vars(other)
  np.testing.assert_array_equal(other.encode(other.test.seen), codes)


def test_a_model_is_told_of_others_and_forgets_nothing_else(trained):
  known = trained.told(results={'a': 1}, arm='vae', label='vae')
  among = (known, trained)
  other = known.told(among=among)
  assert other.among == among and known.among == ()
  assert (other.results, other.arm) == ({'a': 1}, 'vae')
  assert 'among' not in repr(other)
  with pytest.raises(TypeError, match='nonsense'):
    trained.told(nonsense=1)


def test_what_is_the_same_for_all_models_of_a_seed_is_found_out_once(trained):
  def one(seed, *changes):
    ex = dataclasses.replace(trained.ex, seed=seed)
    return dataclasses.replace(trained, ex=ex, changes=changes)

  assert trained.first_of_seed()
  among = one(0, 'arms=a'), one(0, 'arms=b'), one(1, 'arms=a', 'seed=1')
  firsts = [model.told(among=among).first_of_seed() for model in among]
  assert firsts == [True, False, True]
