"""Measures, quantisation and JPEG sizes of losses, on known numbers."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from experiments import losses


def images(seed, *shape):
  return np.random.default_rng(seed).random(shape, np.float32)


def test_the_measures_agree_with_scikit_learn():
  image = images(0, 5, 12, 12, 1)
  wanted = (images(1, 5, 12, 12, 1) > 0.5).astype(np.float32)
  bce, squared, absolute, unlike = losses.measures(image, wanted, 1e-6)
  flat = wanted.ravel(), image.ravel()
  np.testing.assert_allclose(bce, metrics.log_loss(*flat), rtol=1e-4)
  expected = metrics.mean_squared_error(*flat)
  np.testing.assert_allclose(squared, expected, rtol=1e-5)
  expected = metrics.mean_absolute_error(*flat)
  np.testing.assert_allclose(absolute, expected, rtol=1e-5)
  assert 0 < unlike < 2


def test_images_are_clipped_before_they_are_measured():
  wanted = np.ones((2, 12, 12, 1), np.float32)
  above = losses.measures(wanted * 1.5, wanted, 0.01)
  np.testing.assert_allclose(above, [-np.log(0.99), 0, 0, 0], atol=1e-5)
  wrong = losses.measures(wanted * -1.0, wanted, 0.01)
  np.testing.assert_allclose(wrong[:3], [-np.log(0.01), 1, 1], rtol=1e-5)


def test_the_verdict_counts_the_losses_that_win_their_own_measure():
  arms = list(losses.LOSSES)
  value_RC = 2.0 - np.eye(5, 4)  # the fifth row is the PCA's
  assert 'held, 4 of 4, 1 seed' in losses.own_column(value_RC, arms, 1)
  value_RC[4] = 0
  value_RC[0, 2] = 0.8
  line = losses.own_column(value_RC, arms, 3)
  assert 'did NOT hold, 3 of 4, 3 seeds (bce is better by l1, by 25.0 %)' in (
    line
  )


@pytest.mark.parametrize('bits', losses.BITS)
def test_a_quantised_code_is_the_nearest_of_its_levels(bits):
  z_NZ = images(0, 5000, 3) * [1, 2, 0] - [0, 5, 1]
  low_Z, high_Z = z_NZ.min(0), z_NZ.max(0)
  found = losses.quantised(z_NZ, low_Z, high_Z, bits)
  step_Z = (high_Z - low_Z) / (2**bits - 1)
  assert (np.abs(found - z_NZ) <= step_Z / 2 + 1e-9).all()
  assert len(np.unique(found[:, 0].round(6))) == 2**bits
  np.testing.assert_array_equal(found[:, 2], z_NZ[:, 2])
  far = losses.quantised(z_NZ + 100, low_Z, high_Z, bits)
  np.testing.assert_allclose(far[:, :2], np.tile(high_Z[:2], (5000, 1)))


def test_more_bits_cost_more_bytes_and_lose_less():
  z_NZ = images(0, 50, 16)

  def decode(z_NZ):
    return z_NZ.reshape(50, 4, 4, 1)

  found = losses.curve(z_NZ, z_NZ, decode, decode(z_NZ))
  np.testing.assert_array_equal(found[:, 0], 2.0 * np.array(losses.BITS))
  # An error that is uniform in one step has the variance step**2 / 12.
  step = np.ptp(z_NZ, 0).mean() / (2.0 ** np.array(losses.BITS) - 1)
  np.testing.assert_allclose(
    found[:, 1], -10 * np.log10(step**2 / 12), atol=0.6
  )


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('quality', [1, 50, 95])
def test_the_header_of_a_jpeg_is_the_same_for_all_images(quality, channels):
  x_NHWC = (255 * images(0, 4, 28, 28, channels)).astype(np.uint8)
  x_NHWC[0] = 7
  files = [losses.jpeg(x, quality) for x in x_NHWC]
  headers = {f[: len(f) - 2 - losses.scan_size(f)] for f in files}
  assert len(headers) == 1 and len({len(f) for f in files}) > 1
  header = headers.pop()
  # The last bytes of a baseline start of scan; ffd9 ends the file.
  assert header.endswith(b'\x00\x3f\x00') and files[0].endswith(b'\xff\xd9')
  decoded = losses.read(files[1], x_NHWC[1].shape)
  with Image.open(io.BytesIO(files[1])) as image:
    np.testing.assert_array_equal(decoded.squeeze(), np.asarray(image))


def test_jpeg_is_better_and_longer_with_quality():
  whole, scan = losses.jpeg_curves(images(0, 6, 28, 28, 1))
  assert (np.diff(scan, axis=0) > 0).all()
  np.testing.assert_array_equal(whole[:, 1], scan[:, 1])
  assert len(np.unique((whole - scan)[:, 0].round(6))) == 1


def test_codes_are_compared_with_jpeg_where_it_has_as_many_bytes():
  jpeg = np.array([[10.0, 10.0], [20.0, 20.0]])
  curves = {
    'AE d = 8': np.array([[2.0, 30.0], [12.0, 15.0]]),
    'AE d = 16': np.array([[15.0, 14.0], [99.0, 1.0]]),
    'PCA d = 8': np.array([[2.0, 30.0]]),
    'JPEG': jpeg + [300, 0],
    'JPEG without header': jpeg,
  }
  (line,) = losses.against_jpeg(curves)
  assert 'AE codes' in line and 'did NOT hold in 1 of 2 points' in line
  assert 'from -1.0 dB at 15 bytes to +3.0 dB at 12 bytes' in line
  assert 'none below 10 bytes, 310 with header' in line
