"""What a command prints at its end."""

from vae_jax.console import table, words

TIMES = ('steps_per_s', 'images_per_s', 'compile_s', 'wall_s')


def measures_table(figures: dict) -> str:
  """The model's measures and, beside them, its rivals'."""
  rivals = figures.get('baselines', {})
  names = [
    k
    for k, v in figures.items()
    if isinstance(v, int | float) and k not in ('step', *TIMES)
  ]
  header = ('', 'this model', *(words(rival) for rival in rivals))
  rows = [
    (name, figures[name], *(r.get(name, '') for r in rivals.values()))
    for name in names
  ]
  return table(rows, header)


def timing(figures: dict, seconds: dict) -> str:
  """One line that says where the time went and how fast the steps were."""
  parts = ', '.join(f'{k} {v:.1f} s' for k, v in seconds.items() if v >= 0.05)
  line = f'time: {sum(seconds.values()):.1f} s ({parts})'
  if 'steps_per_s' in figures:
    line += f'; {figures["steps_per_s"]:.1f} steps/s'
    line += f', {figures["images_per_s"]:.0f} images/s'
  return line
