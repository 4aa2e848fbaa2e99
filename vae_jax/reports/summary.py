"""What a command prints at its end."""

from vae_jax.console import table, words
from vae_jax.measures.trained import Run

TIMES = ('steps_per_s', 'images_per_s', 'compile_s', 'wall_s')
# Numbers of a run that a table of many runs has no column for.
APART = (
  *('step', 'train_images', 'test_images'),
  *('nll_iw_samples', 'nll_iw_images', 'nll_iw_stderr_nats'),
)
COLUMNS = 8


def of_run(run: Run) -> list[str]:
  """A run by itself: what it was, and its measures beside its rivals'."""
  results = run.results
  rivals = results.get('baselines', {})
  names = [
    name
    for name, value in results.items()
    if isinstance(value, int | float) and name not in (*APART[:3], *TIMES)
  ]
  rows = [
    (name, results[name], *(r.get(name, '') for r in rivals.values()))
    for name in names
  ]
  header = ('', 'this model', *map(words, rivals))
  sizes = [results.get(f'{split}_images') for split in ('train', 'test')]
  split = 'test split'
  if None not in sizes:
    split += ' of {1:,}, trained on {0:,},'.format(*sizes)
  what = f'on {run.ex.dataset}, {split} after {results["step"]} steps'
  return [what, table(rows, header)]


def of_runs(runs: dict[str, Run]) -> str:
  """A row for each run, a column for each of its first measures."""
  rows = [numbers(run.results) for run in runs.values()]
  columns = [
    name
    for name in dict.fromkeys(name for row in rows for name in row)
    if name not in {*APART, *TIMES} and '.' not in name
  ][:COLUMNS]
  cells = [
    (name, *(row.get(column) for column in columns))
    for name, row in zip(runs, rows, strict=True)
  ]
  return table(cells, ('', *columns))


def numbers(results: dict, prefix: str = '') -> dict:
  """The numbers of a results.json, its baselines' as 'ridge.psnr_db'."""
  plain = {
    prefix + name: value
    for name, value in results.items()
    if isinstance(value, int | float)
  }
  for rival, values in results.get('baselines', {}).items():
    plain |= numbers(values, f'{rival}.')
  return plain


def timing(results: dict, seconds: dict[str, float]) -> str:
  """One line that says where the time went and how fast the steps were."""
  parts = ', '.join(f'{k} {v:.1f} s' for k, v in seconds.items() if v >= 0.05)
  line = f'time: {sum(seconds.values()):.1f} s ({parts})'
  if 'steps_per_s' in results:
    line += f'; {results["steps_per_s"]:.1f} steps/s'
    line += f', {results["images_per_s"]:.0f} images/s'
  return line
