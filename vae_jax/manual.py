"""The fields of an experiment as the text of --help."""

import textwrap

from vae_jax import config, functions


def fields(ex: config.Experiment, of: str = '') -> list[str]:
  """Lines on every field: what it is, its value, what else it could be."""
  lines = ['', f'Numbers and words{of}:']
  for field in config.plain_fields():
    text = f'{field.metadata["help"]} ({getattr(ex, field.name)})'
    lines.append(entry(f'--{field.name}', text))
  lines += ['', f'Functions{of}, changed with --set:']
  for field in config.function_fields():
    text = f'{field.metadata["help"]}: {config.render(getattr(ex, field.name))}'
    lines.append(entry(field.name, text + among(field)))
  return lines


def entry(name: str, text: str) -> str:
  """A line of the text, wrapped at 80 columns."""
  indent = ' ' * 21
  first = f'  {name:<18} '
  return textwrap.fill(
    text,
    80,
    initial_indent=first,
    subsequent_indent=indent,
    break_on_hyphens=False,
  )


def among(field) -> str:
  """' (of views.clean, views.noisy)', or nothing if there is no choice."""
  default = field.default
  if not callable(default):
    return ''
  home = functions.home_of(default)
  offered = functions.choices(home, default, field.metadata['takes'])
  if len(offered) < 2:
    return ''
  return f' (of {functions.listed(offered, default.__name__, most=8)})'
