"""runs of a sweep side by side (vmap) and one after another (map)"""

import functools

from tests.accelerator import nets


def rows(flags):
  """us that a step of all members takes, by their number."""
  small = flags.small
  for count in (1, 3) if small else (1, 4, 16, 64, 256):
    ex = nets.mlp(small, steps_per_call=4 if small else 50)
    for stack in ('vmap', 'map') if count > 1 else ('one',):
      yield f'{count} {stack}', functools.partial(row, ex, small, count, stack)


def row(ex, small: bool, count: int, stack: str) -> dict:
  """us a step of all, and the rate of their products."""
  found = nets.stepped(ex, small, count, stack)
  # XLA counts the body of map's loop once.
  times = 1 if stack == 'vmap' else count
  rate = times * found['gflop_per_step'] / (1e-3 * found['ms_per_step'])
  return {
    'us': 1e3 * found['ms_per_step'],
    'images_per_s': count * found['images_per_s'],
    'gemm_share': rate / found['gemm_peak_gflops'],
  }
