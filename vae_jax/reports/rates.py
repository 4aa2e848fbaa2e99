"""Rate and distortion of codes in a few bits, beside PCA's and JPEG."""

import numpy as np

from vae_jax import figures
from vae_jax.measures.compression import BITS
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import Report, by_label, held, studied

JPEG, SCAN = 'JPEG', 'JPEG without header'


def against_jpeg(runs: list[Run]) -> Report:
  """PSNR over bytes per image of the runs with compression.rate, of PCA, and of
  JPEG; nothing for a run by itself."""
  if len(by_label(runs)) < 2 or not studied(runs, 'rate'):
    return Report()
  curves = curves_of(studied(runs, 'rate'))
  found = {
    name: {'bytes': curve[:, 0].tolist(), 'psnr_db': curve[:, 1].tolist()}
    for name, curve in curves.items()
  }
  return Report({'rate': found}, {'rate': picture(curves)}, verdicts(curves))


def curves_of(runs: list[Run]) -> dict:
  """Name -> [bytes, PSNR in dB] of each point, means over the seeds."""
  runs = sorted(runs, key=lambda run: run.ex.latents)
  curves = {}
  for runs_S in by_label(runs).values():
    first, size = runs_S[0], f'd = {runs_S[0].ex.latents}'
    # All in which it differs from its neighbours but its arm.
    rest = first.label.removeprefix(first.arm).removeprefix(', ')
    name = ', '.join(filter(None, [size, rest]))
    for kind in ('AE', 'PCA'):
      points = [run.studies['rate'][kind] for run in runs_S]
      curves[f'{kind} {name}'] = np.mean(points, 0)
  first = runs[0].studies['rate']
  return curves | {name: np.array(first[name]) for name in (JPEG, SCAN)}


def verdicts(curves) -> list[str]:
  """How codes compare with JPEG at equal bytes, header not counted."""
  lines, jpeg = [], curves[SCAN]
  for kind in ('AE', 'PCA'):
    points = [c for name, c in curves.items() if name.startswith(f'{kind} d')]
    bytes_P, psnr_P = np.concatenate(points).T
    inside_P = (bytes_P >= jpeg[0, 0]) & (bytes_P <= jpeg[-1, 0])
    if not inside_P.any():
      continue
    gain_P = psnr_P - np.interp(bytes_P, *jpeg.T)
    gain_P, bytes_P = gain_P[inside_P], bytes_P[inside_P]
    best, worst = gain_P.argmax(), gain_P.argmin()
    lines.append(
      f'{kind} codes beat JPEG without its header at equal bytes: '
      f'{held((gain_P > 0).all())} in {(gain_P > 0).sum()} of {len(gain_P)} '
      f'points, from {gain_P[worst]:+.1f} dB at {bytes_P[worst]:.0f} bytes to '
      f'{gain_P[best]:+.1f} dB at {bytes_P[best]:.0f} bytes (JPEG has none '
      f'below {jpeg[0, 0]:.0f} bytes, {curves[JPEG][0, 0]:.0f} with header)'
    )
  return lines


def picture(curves):
  """PSNR over bytes: a panel for codes of the models, one for PCA's."""
  panels = {}
  for kind in ('AE', 'PCA'):
    own = [name for name in curves if name.startswith(f'{kind} ')]
    panels[f'PSNR (dB), {kind}'] = {
      name.removeprefix(f'{kind} '): {round(x): [y] for x, y in curves[name]}
      for name in [*own, JPEG, SCAN]
    }
  title = f'Codes of {BITS[0]} to {BITS[-1]} bits per latent'
  return figures.lines(panels, 'bytes per image', title, dashed=(JPEG, SCAN))
