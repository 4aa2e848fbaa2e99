import jax
import numpy as np
import pytest

from vae_jax import data
from vae_jax.factors import views
from vae_jax.images import area_means

# The shift is traced and batches have one size: one compilation.
noisy = jax.jit(views.noisy)


@pytest.fixture
def grey(batch):
  """26 images of which every pixel is 128, where little is clipped."""
  return batch.replace(x=np.full_like(batch.x, 128))


def keys(batch, seed=0):
  # Not through fold_in, which costs a compilation for every size.
  data = [[seed, i] for i in range(batch.size)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def seen(batch, seed=0, noise=0.5, shift=0.5):
  example = noisy(batch, keys(batch, seed), noise, shift)
  return np.asarray(example.seen)


def test_clean_sees_what_it_must_produce(batch):
  example = views.clean(batch, keys(batch))
  np.testing.assert_array_equal(example.seen, batch.images())
  np.testing.assert_array_equal(example.wanted, batch.images())
  assert example.given is None


def test_noisy_must_produce_the_clean_image(batch):
  example = noisy(batch, keys(batch), 0.5, 0.5)
  np.testing.assert_allclose(example.wanted, batch.images(), rtol=1e-6)
  assert (np.asarray(example.seen) != np.asarray(example.wanted)).any()


def test_every_key_draws_fresh_noise(batch):
  first, again, other = (seen(batch, seed) for seed in (0, 0, 1))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any((1, 2, 3)).all()


def test_every_example_draws_noise_of_its_own(grey):
  x = seen(grey, shift=0.0).reshape(26, -1)
  assert len(np.unique(x, axis=0)) == 26


def test_noise_goes_with_the_key_wherever_it_is_in_the_batch(batch):
  turned = np.roll(np.arange(26), 5)
  found = noisy(batch.take(turned), keys(batch)[turned], 0.5, 0.5).seen
  np.testing.assert_array_equal(found, seen(batch)[turned])


def test_noise_has_the_mean_and_the_deviation_it_says(grey):
  noise = seen(grey, noise=0.05, shift=0.1) - 128 / 255
  # Four standard errors of a mean and of a deviation.
  assert abs(noise.mean() - 0.1) < 4 * 0.05 / np.sqrt(noise.size)
  assert abs(noise.std() - 0.05) < 4 * 0.05 / np.sqrt(2 * noise.size)


def test_noisy_is_clipped_to_the_range_of_images(batch):
  x = seen(batch, noise=2.0)
  assert x.min() == 0.0 and x.max() == 1.0


def test_no_noise_leaves_the_shift(batch):
  images = np.asarray(batch.images())
  np.testing.assert_allclose(seen(batch, noise=0.0, shift=0), images, rtol=1e-6)
  shifted = np.minimum(images + np.float32(0.25), 1)
  np.testing.assert_allclose(
    seen(batch, noise=0.0, shift=0.25), shifted, rtol=1e-6
  )


def changed(batch, change):
  example = views.transformed(batch, None, change)
  np.testing.assert_array_equal(example.seen, example.wanted)
  assert example.given is None
  return np.asarray(example.seen)


def square(batch):
  """The same pixels as images of 5x5."""
  return batch.replace(x=batch.x[:, :50], shape=(5, 5, 2))


def test_an_image_is_turned_by_90_degrees_if_square_else_by_180(batch):
  wanted = np.asarray(batch.images())[:, ::-1, ::-1]
  np.testing.assert_array_equal(changed(batch, 'rotated'), wanted)
  x = np.asarray(square(batch).images())
  found = changed(square(batch), 'rotated')
  for one, turned in zip(x, found, strict=True):
    np.testing.assert_array_equal(turned, np.rot90(one))


def test_an_inverted_image_is_one_minus_the_image_and_none_the_image(batch):
  x = np.asarray(batch.images())
  np.testing.assert_array_equal(changed(batch, 'inverted'), 1 - x)
  np.testing.assert_array_equal(changed(batch, 'none'), x)


def test_all_images_get_one_order_of_their_pixels_each_time(batch):
  # Each pixel of an image holds a number of its own, channels 100 apart.
  numbers = (np.arange(30)[:, None] + [0, 100]).astype(np.uint8).reshape(-1)
  same = batch.replace(x=np.broadcast_to(numbers, (26, 60)))
  found = np.rint(255 * changed(same, 'permuted')).reshape(26, 30, 2)
  assert (found == found[:1]).all()
  order = found[0, :, 0].astype(int)
  np.testing.assert_array_equal(found[0, :, 1] - order, np.full(30, 100))
  np.testing.assert_array_equal(np.sort(order), np.arange(30))
  assert (np.abs(np.diff(order)) == 1).sum() < 6  # neighbours are torn apart
  x = np.asarray(batch.images()).reshape(26, 30, 2)
  again = changed(batch, 'permuted').reshape(26, 30, 2)
  np.testing.assert_array_equal(again, x[:, order])


def test_an_unknown_change_names_those_there_are(batch):
  with pytest.raises(ValueError, match="one of .*'permuted'.*not 'mirrored'"):
    changed(batch, 'mirrored')


def test_a_label_is_one_of_a_pixel_s_channels(batch):
  example = views.labels(batch, keys(batch))
  np.testing.assert_array_equal(example.seen, batch.images())
  assert example.wanted.shape == (26, 1, 1, 3) and example.given is None
  np.testing.assert_array_equal(example.wanted.argmax(-1).ravel(), batch.label)
  np.testing.assert_array_equal(example.wanted.sum(-1), np.ones((26, 1, 1)))


def test_labelled_is_clean_and_given_the_label(batch):
  example = views.labelled(batch, keys(batch))
  clean = views.clean(batch, keys(batch))
  np.testing.assert_array_equal(example.seen, clean.seen)
  np.testing.assert_array_equal(example.wanted, clean.wanted)
  np.testing.assert_array_equal(example.given, np.eye(3)[batch.label])


@pytest.mark.parametrize('view', [views.labels, views.labelled])
@pytest.mark.parametrize('missing', [{'label': None}, {'classes': ()}])
def test_a_view_of_labels_needs_some(view, missing, batch):
  with pytest.raises(ValueError, match='needs labels, .*has none'):
    view(batch.replace(**missing), keys(batch))


@pytest.mark.parametrize('factor', [1, 2, 3, 6])
def test_low_resolution_sees_the_means_of_blocks(batch, factor):
  square = batch.replace(x=np.tile(batch.x, (1, 2))[:, :72], shape=(6, 6, 2))
  example = views.low_resolution(square, keys(batch), factor)
  x_BHWC = np.asarray(square.images())
  np.testing.assert_array_equal(example.wanted, x_BHWC)
  side = 6 // factor
  assert example.seen.shape == (26, side, side, 2) and example.given is None
  for i, j in np.ndindex(side, side):
    rows, columns = (slice(factor * k, factor * k + factor) for k in (i, j))
    mean = x_BHWC[:, rows, columns].mean((1, 2))
    np.testing.assert_allclose(example.seen[:, i, j], mean, atol=1e-6)


def test_area_means_of_an_image_that_is_not_square():
  x_BHWC = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6, 1)
  found = area_means(x_BHWC, 2)
  assert found.shape == (2, 2, 3, 1)
  np.testing.assert_allclose(found[0, 1, 2, 0], np.mean([16, 17, 22, 23]))


def test_low_resolution_names_the_factors_that_there_are(batch):
  wide = batch.replace(x=batch.x[:, :48], shape=(4, 6, 2))
  for factor in (0, 3, 4):
    with pytest.raises(ValueError, match=f'4x6.*{factor}: .* one of 1, 2$'):
      views.low_resolution(wide, keys(batch), factor)


def test_a_phrase_is_transposed_whole_and_within_its_range():
  rng = np.random.default_rng(0)
  x = np.where(rng.random((200, 16)) < 0.3, rng.integers(2, 90, (200, 16)), 0)
  x[:100] = np.clip(x[:100], 0, 60) * (x[:100] > 20)
  batch = data.Batch(x.astype(np.uint16), None, (16, 1, 90), 89.0, numbers=True)
  key_B = jax.random.split(jax.random.key(0), 200)
  found = np.asarray(views.transposed(batch, key_B, most=3).seen)
  found = found.argmax(-1)[..., 0]
  np.testing.assert_array_equal(found > 1, x > 1)
  by = set()
  for before, after in zip(x, found, strict=True):
    shifts = {int(v) for v in (after - before)[before > 1]}
    assert len(shifts) <= 1
    by |= (
      shifts
      if before.max() < 87 and before[before > 1].min(initial=9) > 4
      else set()
    )
    assert after.max() <= 89
  assert by == {-3, -2, -1, 0, 1, 2, 3}
  with pytest.raises(ValueError, match='needs phrases'):
    views.transposed(batch.replace(numbers=False), key_B)


def test_drums_are_not_transposed():
  x = np.full((8, 6), 40, np.uint16)
  batch = data.Batch(x, None, (3, 2, 512), 511.0, numbers=True)
  key_B = jax.random.split(jax.random.key(0), 8)
  found = np.asarray(views.transposed(batch, key_B, drums=(1,)).wanted)
  found = found.argmax(-1)
  assert (found[..., 1] == 40).all() and (found[..., 0] != 40).any()
