"""--mode=benchmark: the members of a grid measured one after another."""

import pathlib
from typing import NamedTuple

import jax

from vae_jax import figures, hosts
from vae_jax.config.grid import Member
from vae_jax.console import say, table
from vae_jax.runs import directory, plan, settings, throughput
from vae_jax.runs.plan import Job
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import everywhere

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


class Benchmark(NamedTuple):
  """What was measured of every member, and where it is written."""

  name: str
  members: dict[str, dict]  # name of a member -> its figures
  device: str
  paths: list[pathlib.Path]

  def summary(self) -> str:
    """A table, what limits the steps, the paths."""
    rows = [
      (label, *(values.get(key) for key in COLUMNS))
      for label, values in self.members.items()
    ]
    counts = sorted({values['rounds'] for values in self.members.values()})
    between = ' or '.join(map(str, counts))
    parts = [
      f'{self.name}: train steps on {self.device}, median of {between} rounds',
      table(rows, ('', *COLUMNS.values())),
      *(f'{label}: {roofline(f)}' for label, f in self.members.items()),
      *(f'wrote: {path}' for path in self.paths),
    ]
    return '\n'.join(parts)


def benchmark(
  name: str,
  members: list[Member],
  out_dir,
  data_dir=None,
  started=None,
  trace=False,
) -> Benchmark:
  """Measures every member by itself; writes benchmark.json, a picture and, if
  asked, a trace of the first member's steps.

  Raises Refused, ConfigError or DataError before any of them takes its time.
  """
  out_dir, clock = pathlib.Path(out_dir), Clock(started)
  jobs = [job for m in members for job in plan.jobs([m], data_dir, clock)]
  measured = {}
  for i, job in enumerate(jobs):
    label = job.title or name
    say(f'[{i + 1}/{len(jobs)}] {label}')
    values = throughput.measure(job, Clock() if i else clock)
    if i:  # From the start of the process: for one member alone.
      del values['start_to_first_step_s']
    measured[label] = setting(job) | values
    # Compiled programs take memory maps, see command.JOBS_HELD.
    jax.clear_caches()
  device = settings.described(jobs[0].layout.devices)
  whole = {'experiment': name, 'device': device, 'runs': measured}
  if not hosts.first():
    return Benchmark(name, measured, device, [])
  out_dir.mkdir(parents=True, exist_ok=True)
  paths = [out_dir / 'benchmark.json']
  directory.write_json(paths[0], whole)
  paths += directory.write_pictures(
    {'throughput': picture(name, measured, device)}, out_dir
  )
  if trace:
    paths += throughput.profile(jobs[0], out_dir / 'profile')
  return Benchmark(name, measured, device, paths)


def setting(job: Job) -> dict:
  """What a throughput depends on."""
  names = 'batch_size', 'latents', 'steps_per_call', 'precision', 'resident'
  values = {name: getattr(job.ex, name) for name in names}
  return values | {'devices': len(everywhere(job.layout.devices))}


def roofline(values: dict) -> str:
  """One line on what limits a step."""
  share = values['gemm_share']
  return (
    f'nearer to the limit of {values["limit"]}: '
    f'{100 * share:.0f} % of the GEMM peak of '
    f'{values["gemm_peak_gflops"]:.0f} GFLOP/s '
    f'({values["gflop_per_step"]:.3g} GFLOP need '
    f'{share * values["ms_per_step"]:.3g} ms), '
    f'{100 * values["bandwidth_share"]:.0f} % of the memory bandwidth of '
    f'{values["bandwidth_gb_per_s"]:.0f} GB/s as XLA counts traffic'
  )


def picture(name: str, measured: dict[str, dict], device: str):
  """Images a second over the batch size, or a bar for each member."""
  sizes = [f['batch_size'] for f in measured.values()]
  rates = [f['images_per_s'] for f in measured.values()]
  title = f'{name}, train steps on {device}'
  if len(set(sizes)) == len(sizes) > 1:
    line = {size: [rate] for size, rate in zip(sizes, rates, strict=True)}
    label = 'median, least to most'
    ends = 'ms_per_step_max', 'ms_per_step_min'
    spread = {
      f['batch_size']: tuple(1e3 * f['batch_size'] / f[end] for end in ends)
      for f in measured.values()
    }
    return figures.lines(
      {'images per second': {label: line}},
      'batch size',
      title,
      ranges={label: spread},
    )
  bars = dict(zip(measured, rates, strict=True))
  return figures.bars(bars, title=title, y_label='images per second')
