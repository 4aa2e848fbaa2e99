"""Studies of what a code costs and what is lost: Trained -> {name: figure}.

Codes of a model in a few bits for each latent, beside a PCA's and JPEG.
"""

import io

import jax
import numpy as np

from vae_jax import data
from vae_jax.images import psnr_of, ssim
from vae_jax.measures import baselines
from vae_jax.measures.features import flat
from vae_jax.measures.trained import Trained

BITS = (2, 3, 4, 5, 6, 7, 8)
QUALITIES = (1, 5, 10, 20, 35, 50, 65, 80, 90, 95)


def losses(
  trained: Trained,
  eps: float = 1e-3,
  train_limit: int = 10_000,
  test_limit: int = 500,
  shown: int = 10,
) -> dict:
  """bce, mse, l1 and 1 - ssim per pixel of the mean images, of the `model` and
  of a `PCA` with as many components; arrays of some images."""
  test = trained.examples('test', test_limit)
  train = trained.examples('train', train_limit)
  images = {
    'model': trained.reconstruct(test.seen, test.given),
    'PCA': baselines.pca(train, test, trained.ex.latents),
  }
  at = data.spread(len(test.wanted), shown)
  found = {name: per_pixel(x, test.wanted, eps) for name, x in images.items()}
  drawn = {f'{name} images': x[at] for name, x in images.items()}
  return found | drawn | {'test images': test.wanted[at]}


def per_pixel(image_NHWC, wanted_NHWC, eps: float) -> dict[str, float]:
  """The mean of every loss per pixel, images clipped to [0, 1] and, for the
  cross-entropy, to [eps, 1 - eps]."""
  image, x = np.clip(image_NHWC, 0, 1), wanted_NHWC
  p = np.clip(image, eps, 1 - eps)
  alike = np.mean(jax.jit(ssim)(image.astype(np.float32), x))
  return {
    'bce': float(-(x * np.log(p) + (1 - x) * np.log1p(-p)).mean()),
    'mse': float(((image - x) ** 2).mean()),
    'l1': float(np.abs(image - x).mean()),
    'ssim': float(1 - alike),
  }


def rate(
  trained: Trained, train_limit: int = 10_000, test_limit: int = 500
) -> dict:
  """[bytes per image, PSNR in dB] over the number of bits, of codes of the
  model, `AE`, and of as many components of a `PCA`; over the quality, of `JPEG`
  and of the `JPEG without header`."""
  train, test = (
    trained.examples(split, limit)
    for split, limit in (('train', train_limit), ('test', test_limit))
  )
  codes = trained.encode(train.seen), trained.encode(test.seen)
  x_NP, y_NP = flat(train.wanted), flat(test.wanted)
  count = min(codes[0].shape[1], *x_NP.shape)
  mean_P, basis = x_NP.mean(0), baselines.principal_components(x_NP, count)

  def projected(z_NZ):
    return (z_NZ @ basis.T + mean_P).reshape(test.wanted.shape)

  components = (x_NP - mean_P) @ basis, (y_NP - mean_P) @ basis
  whole, scan = jpeg_curves(test.wanted)
  return {
    'AE': curve(*codes, trained.decode, test.wanted),
    'PCA': curve(*components, projected, test.wanted),
    'JPEG': whole,
    'JPEG without header': scan,
  }


def curve(train_NZ, test_NZ, decode, wanted_NHWC) -> list[list[float]]:
  """[bytes, PSNR in dB] of quantised codes, for each number of bits."""
  low_Z, high_Z = train_NZ.min(0), train_NZ.max(0)
  points = []
  for bits in BITS:
    z_NZ = quantised(test_NZ, low_Z, high_Z, bits)
    image = decode(z_NZ.astype(np.float32))
    size = test_NZ.shape[1] * bits / 8
    points.append([size, psnr_of(image, wanted_NHWC)])
  return points


def quantised(z_NZ, low_Z, high_Z, bits: int):
  """The nearest of 2**bits even levels from low to high, for each latent."""
  step_Z = (high_Z - low_Z) / (2**bits - 1)
  step_Z = np.where(step_Z > 0, step_Z, 1.0)  # a latent that never moves
  level_NZ = np.rint((np.clip(z_NZ, low_Z, high_Z) - low_Z) / step_Z)
  return low_Z + level_NZ * step_Z


def jpeg_curves(image_NHWC):
  """[bytes, PSNR in dB] of JPEG for each quality, with all bytes of the file
  and with those of its pixels alone: two lists."""
  x_NHWC = np.rint(255 * image_NHWC).astype(np.uint8)
  whole, scan = [], []
  for quality in QUALITIES:
    files = [jpeg(x, quality) for x in x_NHWC]
    decoded = np.stack([read(file, x_NHWC.shape[1:]) for file in files])
    decibels = psnr_of(decoded / 255, image_NHWC)
    whole.append([float(np.mean([len(file) for file in files])), decibels])
    sizes = [scan_size(file) for file in files]
    scan.append([float(np.mean(sizes)), decibels])
  return whole, scan


def jpeg(x_HWC, quality: int) -> bytes:
  """A JPEG file of a uint8 image, with the standard Huffman tables."""
  from PIL import Image

  file = io.BytesIO()
  image = Image.fromarray(x_HWC[..., 0] if x_HWC.shape[-1] == 1 else x_HWC)
  image.save(file, 'JPEG', quality=quality)
  return file.getvalue()


def read(file: bytes, shape) -> np.ndarray:
  """The uint8 image [H, W, C] in a JPEG file."""
  from PIL import Image

  with Image.open(io.BytesIO(file)) as image:
    return np.asarray(image).reshape(shape)


def scan_size(file: bytes) -> int:
  """Bytes of the entropy-coded pixels: without tables, which are the same for
  every image of a quality, and markers (ITU T.81, annex B)."""
  at, marker = 2, 0
  while marker != 0xDA:  # start of scan, the last segment before the pixels
    marker = file[at + 1]
    at += 2 + int.from_bytes(file[at + 2 : at + 4], 'big')
  return len(file) - at - 2
