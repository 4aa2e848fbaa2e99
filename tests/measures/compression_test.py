"""Measures, quantisation and JPEG sizes of codes, on known numbers."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from vae_jax.factors import views
from vae_jax.images import psnr_of
from vae_jax.measures import baselines, compression


def images(seed, *shape):
  return np.random.default_rng(seed).random(shape, np.float32)


def test_the_measures_agree_with_scikit_learn():
  image = images(0, 5, 12, 12, 1)
  wanted = (images(1, 5, 12, 12, 1) > 0.5).astype(np.float32)
  found = compression.per_pixel(image, wanted, 1e-6)
  flat = wanted.ravel(), image.ravel()
  expected = {
    'bce': metrics.log_loss(*flat),
    'mse': metrics.mean_squared_error(*flat),
    'l1': metrics.mean_absolute_error(*flat),
  }
  assert 0 < found.pop('ssim') < 2
  assert found == pytest.approx(expected, rel=1e-4)


def test_images_are_clipped_before_they_are_measured():
  wanted = np.ones((2, 12, 12, 1), np.float32)
  above = compression.per_pixel(wanted * 1.5, wanted, 0.01)
  assert list(above.values()) == pytest.approx(
    [-np.log(0.99), 0, 0, 0], abs=1e-5
  )
  wrong = compression.per_pixel(wanted * -1.0, wanted, 0.01)
  del wrong['ssim']
  assert list(wrong.values()) == pytest.approx([-np.log(0.01), 1, 1], rel=1e-5)


def test_the_losses_are_those_of_the_model_and_of_a_pca(trained, figures):
  found = compression.losses(trained, shown=4)
  told = figures(found)
  seen, wanted, _ = trained.test
  train = trained.examples('train', 99)
  pca = baselines.pca(train, trained.test, trained.ex.latents)
  for name, image in {'model': trained.reconstruct(seen), 'PCA': pca}.items():
    assert told[name]['mse'] == pytest.approx(
      ((np.clip(image, 0, 1) - wanted) ** 2).mean(), rel=1e-5
    )
    few = image[[0, 2, 5, 7]]
    np.testing.assert_allclose(found[f'{name} images'], few, rtol=1e-6)
  np.testing.assert_array_equal(found['test images'], wanted[[0, 2, 5, 7]])
  few = compression.losses(trained, test_limit=2)
  assert len(few['model images']) == 2


def test_a_model_that_is_given_a_label_is_given_it_for_its_losses(untrained):
  labelled = untrained(view=views.labelled)
  found = compression.losses(labelled)['model']['mse']
  seen, wanted, given = labelled.test
  error = (labelled.reconstruct(seen, given) - wanted) ** 2
  assert found == pytest.approx(error.mean(), rel=1e-5)


@pytest.mark.parametrize('bits', compression.BITS)
def test_a_quantised_code_is_the_nearest_of_its_levels(bits):
  z_NZ = images(0, 5000, 3) * [1, 2, 0] - [0, 5, 1]
  low_Z, high_Z = z_NZ.min(0), z_NZ.max(0)
  found = compression.quantised(z_NZ, low_Z, high_Z, bits)
  step_Z = (high_Z - low_Z) / (2**bits - 1)
  assert (np.abs(found - z_NZ) <= step_Z / 2 + 1e-9).all()
  assert len(np.unique(found[:, 0].round(6))) == 2**bits
  np.testing.assert_array_equal(found[:, 2], z_NZ[:, 2])
  far = compression.quantised(z_NZ + 100, low_Z, high_Z, bits)
  np.testing.assert_allclose(far[:, :2], np.tile(high_Z[:2], (5000, 1)))


def test_more_bits_cost_more_bytes_and_lose_less():
  z_NZ = images(0, 50, 16)

  def decode(z_NZ):
    return z_NZ.reshape(50, 4, 4, 1)

  found = np.array(compression.curve(z_NZ, z_NZ, decode, decode(z_NZ)))
  np.testing.assert_array_equal(found[:, 0], 2.0 * np.array(compression.BITS))
  # An error that is uniform in one step has the variance step**2 / 12.
  step = np.ptp(z_NZ, 0).mean() / (2.0 ** np.array(compression.BITS) - 1)
  np.testing.assert_allclose(
    found[:, 1], -10 * np.log10(step**2 / 12), atol=0.6
  )


def test_levels_are_those_of_the_training_codes():
  train, test = np.array([[0.0], [1.0]]), np.array([[0.4], [3.0]])
  asked = []
  compression.curve(
    train, test, lambda z: asked.append(z) or z, np.zeros((2, 1))
  )
  np.testing.assert_allclose(asked[0], [[1 / 3], [1]])  # of two bits


def test_codes_are_rated_beside_pca_and_jpeg(untrained, grey, figures):
  model = untrained(grey)
  found = compression.rate(model)
  assert figures(found) == found
  assert set(found) == {'AE', 'PCA', 'JPEG', 'JPEG without header'}
  bits = compression.BITS
  for kind in ('AE', 'PCA'):
    assert [size for size, _ in found[kind]] == [3 * b / 8 for b in bits]
  assert len(found['JPEG']) == len(compression.QUALITIES)
  # With many levels a code is itself.
  wanted = model.test.wanted
  fitted = model.examples('train', 99)
  inside = [model.encode(x.seen) for x in (fitted, model.test)]
  inside = np.clip(inside[1], inside[0].min(0), inside[0].max(0))
  decibels = psnr_of(model.decode(inside), wanted)
  assert found['AE'][-1][1] == pytest.approx(decibels, abs=0.01)


def test_the_components_of_a_pca_are_rated_in_its_own_range(untrained, grey):
  model = untrained(grey | {'test': grey['train']})
  found = compression.rate(model)['PCA'][-1][1]
  train = model.examples('train', 99)
  wanted = psnr_of(baselines.pca(train, train, 3), train.wanted)
  assert found == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('quality', [1, 50, 95])
def test_the_header_of_a_jpeg_is_the_same_for_all_images(quality, channels):
  x_NHWC = (255 * images(0, 4, 28, 28, channels)).astype(np.uint8)
  x_NHWC[0] = 7
  files = [compression.jpeg(x, quality) for x in x_NHWC]
  headers = {f[: len(f) - 2 - compression.scan_size(f)] for f in files}
  assert len(headers) == 1 and len({len(f) for f in files}) > 1
  header = headers.pop()
  # The last bytes of a baseline start of scan; ffd9 ends the file.
  assert header.endswith(b'\x00\x3f\x00') and files[0].endswith(b'\xff\xd9')
  decoded = compression.read(files[1], x_NHWC[1].shape)
  with Image.open(io.BytesIO(files[1])) as image:
    np.testing.assert_array_equal(decoded.squeeze(), np.asarray(image))


def test_jpeg_is_better_and_longer_with_quality():
  curves = compression.jpeg_curves(images(0, 6, 28, 28, 1))
  whole, scan = map(np.array, curves)
  assert (np.diff(scan, axis=0) > 0).all()
  np.testing.assert_array_equal(whole[:, 1], scan[:, 1])
  assert len(np.unique((whole - scan)[:, 0].round(6))) == 1
