"""the convolutional VAE by batch, precision and form of its convolutions

Where members are vmapped, XLA makes grouped convolutions of lax.conv; as
matrix products they are batched ones.
"""

import functools

import jax

from tests.accelerator import nets
from vae_jax.networks.layers import convolutions


def rows(flags):
  """ms a step and the share of the measured rate of products."""
  small = flags.small
  batches = (8, 16) if small else (8192, 128, 2048, 512)
  precisions = (
    ('float32', 'bfloat16') if small else ('float32', 'tf32', 'bfloat16')
  )
  k = 2 if small else 20
  for batch in batches:
    for precision in precisions:
      ex = nets.conv(
        small, batch_size=batch, precision=precision, steps_per_call=k
      )
      yield f'batch {batch} {precision}', functools.partial(row, ex, small)
  ex = nets.conv(small, batch_size=batches[1], steps_per_call=k)
  for count in (1, 3) if small else (1, 16):
    for form in ('lax', 'products'):
      make = functools.partial(formed, form, ex, small, count)
      yield f'{count} x {form}', make


def row(ex, small: bool, count: int = 1) -> dict:
  """What a step takes, of all members."""
  found = nets.stepped(ex, small, count)
  names = 'ms_per_step', 'gemm_share', 'gemm_peak_gflops', 'gflop_per_step'
  rate = {'images_per_s': count * found['images_per_s']}
  return {name: found[name] for name in names} | rate


def formed(form: str, ex, small: bool, count: int) -> dict:
  """The row with this form of convolutions, whatever the platform is."""
  before = convolutions.PRODUCTS
  everywhere = 'cpu', 'cuda', 'rocm', 'tpu'
  jax.clear_caches()  # they hold what was traced in the other form
  convolutions.PRODUCTS = everywhere if form == 'products' else ()
  try:
    return row(ex, small, count)
  finally:
    convolutions.PRODUCTS = before
    jax.clear_caches()
