"""Compression is lossy, and the loss decides what is lost; JPEG beside it.

  python launch.py --experiment=losses

2,000 steps an arm, one net 784-32-784 with sigmoid outputs on `digits`. Each
loss is best by its own measure in 2 of 4: bce and ssim are, but the net trained
under bce is 16 % better by squared error than the one under mse, and 47 %
better by absolute error than the one under l1, which leaves pixels dead. Codes
of 8, 32 and 128 latents in 2 to 8 bits beat JPEG, its header not counted, at
equal bytes in 6 of 6 points, by 3.7 to 6.7 dB; so do PCA's, by 1.5 to 4.9 dB.
One seed; 27 s on two CPU cores with a warm compilation cache.
"""

import dataclasses
import io

import jax
import numpy as np

from experiments import dense_autoencoder
from vae_jax import data, figures
from vae_jax.console import counted
from vae_jax.images import psnr, ssim
from vae_jax.measures import baselines, per_example
from vae_jax.reports import claims, pictures

# Loss -> what it is called as a measure of the mean image, per pixel.
LOSSES = {
  'bce': 'BCE (nats)',
  'mse': 'squared error',
  'l1': 'absolute error',
  'ssim': '1 − SSIM',
}
BITS = (2, 3, 4, 5, 6, 7, 8)
QUALITIES = (1, 5, 10, 20, 35, 50, 65, 80, 90, 95)


def report(
  runs, eps: float = 1e-3, train_limit: int = 10_000, test_limit: int = 500
) -> claims.Report:
  """The cross table of losses, and PSNR over the bytes of a quantised code."""
  if len(claims.by_label(runs)) < 2:
    return claims.Report()
  limits = train_limit, test_limit
  crossed = cross([run for run in runs if run.arm in LOSSES], eps, *limits)
  rated = rate([run for run in runs if run.arm.startswith('mse')], *limits)
  return claims.Report(
    crossed.results | rated.results,
    crossed.pictures | rated.pictures,
    crossed.verdicts + rated.verdicts,
  )


def cross(runs, eps, train_limit, test_limit) -> claims.Report:
  """Every loss measured on the models trained under each."""
  labels = claims.by_label(runs)
  if len(labels) < 2:
    return claims.Report()
  test = runs[0].examples('test', test_limit)
  images = {
    label: [run.reconstruct(test.seen) for run in runs_S]
    for label, runs_S in labels.items()
  }
  train, size = runs[0].examples('train', train_limit), runs[0].ex.latents
  images['PCA'] = [baselines.pca(train, test, size)]
  rows_S = {
    label: np.array([measures(image, test.wanted, eps) for image in image_S])
    for label, image_S in images.items()
  }
  value_RC = np.array([row_S.mean(0) for row_S in rows_S.values()])
  arms = [runs_S[0].arm for runs_S in labels.values()]
  table = {
    label: dict(zip(LOSSES, map(float, value_C), strict=True))
    for label, value_C in zip(rows_S, value_RC, strict=True)
  }
  drawn = {
    'cross': cross_figure(value_RC, list(rows_S), arms),
    'rows': rows(images, test.wanted),
  }
  verdicts = [own_column(value_RC, arms, len(next(iter(labels.values()))))]
  return claims.Report({'measured': table}, drawn, verdicts)


def measures(image_NHWC, wanted_NHWC, eps: float) -> np.ndarray:
  """The mean of every loss per pixel, images clipped to [0, 1] and, for the
  cross-entropy, to [eps, 1 - eps]: [4]."""
  image, x = np.clip(image_NHWC, 0, 1), wanted_NHWC
  p = np.clip(image, eps, 1 - eps)
  bce = -(x * np.log(p) + (1 - x) * np.log1p(-p)).mean()
  squared, absolute = ((image - x) ** 2).mean(), np.abs(image - x).mean()
  alike = np.mean(jax.jit(ssim)(image.astype(np.float32), x))
  return np.array([bce, squared, absolute, 1 - alike])


def own_column(value_RC, arms, seeds: int) -> str:
  """On the claim that nothing is as good by a loss as what it trained."""
  won, lines = 0, []
  columns = [loss for loss in LOSSES if loss in arms]
  for loss in columns:
    value_R = value_RC[: len(arms), list(LOSSES).index(loss)]
    best = arms[int(value_R.argmin())]
    won += best == loss
    if best != loss:
      share = value_R[arms.index(loss)] / value_R.min() - 1
      lines.append(f'{best} is better by {loss}, by {100 * share:.1f} %')
  claim = claims.held(won == len(columns))
  detail = f' ({"; ".join(lines)})' if lines else ''
  return (
    f'each loss is best by its own measure: {claim}, {won} of {len(columns)}, '
    f'{counted(seeds, "seed")}{detail}'
  )


def cross_figure(value_RC, labels, arms):
  """The cross table, each column in colours of its own."""
  columns = list(LOSSES)
  own = [(row, columns.index(arm)) for row, arm in enumerate(arms)]
  return figures.matrix(
    value_RC,
    labels,
    list(LOSSES.values()),
    title='Test images, per pixel; lower is better',
    y_label='trained under',
    form='.3g',
    by_column=True,
    highlight=own,
  )


def rows(images, wanted_NHWC, count: int = 10):
  """Test images and what the models trained under each loss make of them."""
  at = data.spread(len(wanted_NHWC), count)
  shown = {'test image': wanted_NHWC[at]}
  for label, image_S in images.items():
    shown[label] = image_S[0][at]
  return figures.rows(shown, title='What each loss loses')


def rate(runs, train_limit, test_limit) -> claims.Report:
  """PSNR over bytes per image: codes of the models, of PCA, and JPEG."""
  if not runs:
    return claims.Report()
  curves = {}
  runs = sorted(runs, key=lambda run: run.ex.latents)
  for label, runs_S in claims.by_label(runs).items():
    name = label.replace('mse', f'd = {runs_S[0].ex.latents}', 1)
    name = name.partition(' d=')[0]
    pairs = [coded(run, train_limit, test_limit) for run in runs_S]
    for kind, *points in zip(('AE', 'PCA'), *pairs, strict=True):
      curves[f'{kind} {name}'] = np.mean(points, 0)
  whole, scan = jpeg_curves(runs[0].examples('test', test_limit).wanted)
  curves |= {'JPEG': whole, 'JPEG without header': scan}
  found = {
    name: {'bytes': curve[:, 0].tolist(), 'psnr_db': curve[:, 1].tolist()}
    for name, curve in curves.items()
  }
  return claims.Report(
    {'rate': found}, {'rate': rate_figure(curves)}, against_jpeg(curves)
  )


def coded(run, train_limit, test_limit):
  """(bytes, PSNR in dB) of this run's codes and of as many components of a
  PCA, for each number of bits: two of [bits, 2]."""
  train, test = (
    run.examples(split, limit)
    for split, limit in (('train', train_limit), ('test', test_limit))
  )
  codes = run.encode(train.seen), run.encode(test.seen)
  x_NP, y_NP = (e.wanted.reshape(len(e.wanted), -1) for e in (train, test))
  count = min(codes[0].shape[1], *x_NP.shape)
  mean_P, basis = x_NP.mean(0), baselines.principal_components(x_NP, count)

  def projected(z_NZ):
    return (z_NZ @ basis.T + mean_P).reshape(test.wanted.shape)

  components = (x_NP - mean_P) @ basis, (y_NP - mean_P) @ basis
  return (
    curve(*codes, run.decode, test.wanted),
    curve(*components, projected, test.wanted),
  )


def curve(train_NZ, test_NZ, decode, wanted_NHWC) -> np.ndarray:
  """(bytes, PSNR in dB) of quantised codes: [bits, 2]."""
  low_Z, high_Z = train_NZ.min(0), train_NZ.max(0)
  points = []
  for bits in BITS:
    z_NZ = quantised(test_NZ, low_Z, high_Z, bits)
    size = test_NZ.shape[1] * bits / 8
    image = np.clip(decode(z_NZ.astype(np.float32)), 0, 1)
    error = float(((image - wanted_NHWC) ** 2).mean())
    points.append((size, psnr(error)))
  return np.array(points)


def quantised(z_NZ, low_Z, high_Z, bits: int):
  """The nearest of 2**bits even levels from low to high, for each latent."""
  step_Z = (high_Z - low_Z) / (2**bits - 1)
  step_Z = np.where(step_Z > 0, step_Z, 1.0)  # a latent that never moves
  level_NZ = np.rint((np.clip(z_NZ, low_Z, high_Z) - low_Z) / step_Z)
  return low_Z + level_NZ * step_Z


def jpeg_curves(image_NHWC):
  """(bytes, PSNR in dB) of JPEG by quality, with all bytes of the file and
  with those of its pixels alone: two of [qualities, 2]."""
  x_NHWC = np.rint(255 * image_NHWC).astype(np.uint8)
  whole, scan = [], []
  for quality in QUALITIES:
    files = [jpeg(x, quality) for x in x_NHWC]
    decoded = np.stack([read(file, x_NHWC.shape[1:]) for file in files])
    decibels = psnr(float(((decoded / 255 - image_NHWC) ** 2).mean()))
    whole.append((np.mean([len(file) for file in files]), decibels))
    scan.append((np.mean([scan_size(file) for file in files]), decibels))
  return np.array(whole), np.array(scan)


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


def against_jpeg(curves) -> list[str]:
  """How codes compare with JPEG at equal bytes, header not counted."""
  verdicts, jpeg = [], curves['JPEG without header']
  for kind in ('AE', 'PCA'):
    points = [c for name, c in curves.items() if name.startswith(f'{kind} d')]
    bytes_P, psnr_P = np.concatenate(points).T
    inside_P = (bytes_P >= jpeg[0, 0]) & (bytes_P <= jpeg[-1, 0])
    if not inside_P.any():
      continue
    gain_P = psnr_P - np.interp(bytes_P, *jpeg.T)
    gain_P, bytes_P = gain_P[inside_P], bytes_P[inside_P]
    claim = claims.held((gain_P > 0).all())
    best, worst = gain_P.argmax(), gain_P.argmin()
    verdicts.append(
      f'{kind} codes beat JPEG without its header at equal bytes: {claim} in '
      f'{(gain_P > 0).sum()} of {len(gain_P)} points, from '
      f'{gain_P[worst]:+.1f} dB at {bytes_P[worst]:.0f} bytes to '
      f'{gain_P[best]:+.1f} dB at {bytes_P[best]:.0f} bytes (JPEG has none '
      f'below {jpeg[0, 0]:.0f} bytes, {curves["JPEG"][0, 0]:.0f} with header)'
    )
  return verdicts


def rate_figure(curves):
  """PSNR over bytes: a panel for codes of the models, one for PCA's."""
  jpegs = [name for name in curves if name.startswith('JPEG')]
  panels = {}
  for kind in ('AE', 'PCA'):
    own = [name for name in curves if name.startswith(f'{kind} ')]
    panels[f'PSNR (dB), {kind}'] = {
      name.removeprefix(f'{kind} '): {round(x): [y] for x, y in curves[name]}
      for name in own + jpegs
    }
  title = f'Codes of {BITS[0]} to {BITS[-1]} bits per latent'
  return figures.lines(panels, 'bytes per image', title, dashed=jpegs)


def arm(name: str, likelihood: str, *more: str) -> tuple[str, ...]:
  """The arm with this likelihood; the outputs of all pass a sigmoid."""
  return (name, f'likelihood=likelihoods.{likelihood}', *more)


SIGMOID = 'likelihood.sigmoid=True'

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  steps=2000,
  monitor='mse',
  measures=(per_example.quality,),
  pictures=(pictures.reconstructions, pictures.curves),
  report=report,
  arms=(
    arm('bce', 'bernoulli'),
    arm('mse', 'normal', SIGMOID),
    arm('l1', 'laplace', SIGMOID),
    arm('ssim', 'bernoulli', 'objective=objectives.structural'),
    arm('mse d=8', 'normal', SIGMOID, 'latents=8'),
    arm('mse d=128', 'normal', SIGMOID, 'latents=128'),
  ),
)
