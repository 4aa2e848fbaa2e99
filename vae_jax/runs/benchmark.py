"""--mode=benchmark: the members of a grid measured one after another."""

import pathlib
from typing import NamedTuple

import jax

from vae_jax import console, figures
from vae_jax.runs import bench, directory, records, results, run
from vae_jax.training.devices import devices_of

COLUMNS = {
  'steps_per_s': 'steps/s',
  'images_per_s': 'images/s',
  'ms_per_step': 'ms/step',
  'ms_per_step_min': 'min',
  'ms_per_step_max': 'max',
  'gflop_per_step': 'GFLOP',
  'gemm_share': 'of GEMM peak',
  'compile_cold_s': 'compile s',
  'compile_cached_s': 'cached s',
  'peak_memory_mb': 'MB',
  'feed_share': 'feed',
  'dispatch_share': 'dispatch',
}


class Outcome(NamedTuple):
  """What a benchmark has measured."""

  name: str
  figures: dict  # name of a member -> its figures
  device: str
  paths: list

  def summary(self) -> str:
    """A table, what limits the steps, the paths."""
    rows = [
      (label, *(found.get(key) for key in COLUMNS))
      for label, found in self.figures.items()
    ]
    counts = sorted({found['rounds'] for found in self.figures.values()})
    between = ' or '.join(map(str, counts))
    parts = [
      f'{self.name}: train steps on {self.device}, median of {between} rounds',
      console.table(rows, ('', *COLUMNS.values())),
      *(f'{label}: {roofline(f)}' for label, f in self.figures.items()),
      *(f'wrote: {path}' for path in self.paths),
    ]
    return '\n'.join(parts)


def fit(name, members, out_dir, data_dir=None, started=None, trace=False):
  """Measures every member; writes benchmark.json, a picture and, if asked, a
  trace of the first member's steps: an Outcome."""
  out_dir = pathlib.Path(out_dir)
  for member in members:  # before any of them takes its time
    run.check_batch(member.ex, len(devices_of(member.ex)))
    run.prepare(member.ex, data_dir, run.Clock())
  out_dir.mkdir(parents=True, exist_ok=True)
  found = {}
  for i, member in enumerate(members):
    label, ex = member.name or name, member.ex
    console.say(f'[{i + 1}/{len(members)}] {label}')
    # From the start of the process to the first step: for one member alone.
    figures_of = bench.measure(ex, data_dir, started if i == 0 else None)
    if i:
      del figures_of['start_to_first_step_s']
    found[label] = settings(ex) | figures_of
    # Compiled programs take memory maps, see runs.PROGRAMS_HELD.
    jax.clear_caches()
  paths = [out_dir / 'benchmark.json']
  device = records.described(devices_of(members[0].ex))
  whole = {'experiment': name, 'device': device, 'runs': found}
  directory.write_json(paths[0], whole)
  paths += results.save({'throughput': picture(name, found, device)}, out_dir)
  if trace:
    paths += bench.profile(members[0].ex, out_dir / 'profile', data_dir)
  return Outcome(name, found, device, paths)


def settings(ex) -> dict:
  """What a throughput depends on."""
  names = 'batch_size', 'latents', 'steps_per_call', 'precision', 'resident'
  found = {name: getattr(ex, name) for name in names}
  return found | {'devices': len(devices_of(ex))}


def roofline(found: dict) -> str:
  """One line on what limits a step."""
  share = found['gemm_share']
  return (
    f'nearer to the limit of {found["limit"]}: '
    f'{100 * share:.0f} % of the GEMM peak of '
    f'{found["gemm_peak_gflops"]:.0f} GFLOP/s '
    f'({found["gflop_per_step"]:.3g} GFLOP need '
    f'{share * found["ms_per_step"]:.3g} ms), '
    f'{100 * found["bandwidth_share"]:.0f} % of the memory bandwidth of '
    f'{found["bandwidth_gb_per_s"]:.0f} GB/s as XLA counts traffic'
  )


def picture(name, found, device):
  """Images a second over the batch size, or a bar for each member."""
  sizes = [f['batch_size'] for f in found.values()]
  rates = [f['images_per_s'] for f in found.values()]
  title = f'{name}, train steps on {device}'
  if len(set(sizes)) == len(sizes) > 1:
    line = {size: [rate] for size, rate in zip(sizes, rates, strict=True)}
    label = 'median, least to most'
    ends = 'ms_per_step_max', 'ms_per_step_min'
    spread = {
      f['batch_size']: tuple(1e3 * f['batch_size'] / f[end] for end in ends)
      for f in found.values()
    }
    return figures.lines(
      {'images per second': {label: line}},
      'batch size',
      title,
      ranges={label: spread},
    )
  bars = dict(zip(found, rates, strict=True))
  return figures.bars(bars, title=title, y_label='images per second')
