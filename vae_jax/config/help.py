"""The fields of an experiment as the text of --help."""

import os
import textwrap

from vae_jax.config import lookup
from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import (
  RATES,
  SHORT,
  Experiment,
  function_fields,
  plain_fields,
)
from vae_jax.config.experiment import fields as all_fields
from vae_jax.config.text import render
from vae_jax.console import nearest
from vae_jax.factors import schedules

# Of a trained model.
USES = 'embed', 'reconstruct', 'interpolate', 'generate'
SWITCHED = 'distributed', 'profile', 'list'
MODES = ('train', 'evaluate', 'report', 'benchmark', *USES)
FLAGS = {
  'experiment': 'a file of experiments/, see --list',
  'mode': f'{", ".join(MODES)} (train)',
  'workdir': 'run directory, or gs://BUCKET/RUN; one that holds a run goes on '
  'with it (runs/EXPERIMENT/DATE-TIME)',
  'data_dir': 'where prepared datasets lie',
  'set': 'FIELD=VALUE for any field, a function as NAME or '
  'NAME(ARGUMENT=VALUE); FIELD.ARGUMENT=VALUE for an argument of its function; '
  'may be repeated',
  'input': 'images to embed or reconstruct: a folder or an .npz; MIDI files: '
  'one, a folder or, to interpolate, two (--input twice)',
  'output': 'where these modes of a trained model write (WORKDIR/MODE)',
  'count': 'images or phrases to generate (64)',
  'temperature': 'of the draws of a phrase, 0: the likeliest (1.0)',
  'arms': 'those of its arms to run, of an experiment that compares (all)',
  'distributed': 'this is one process of several, the same command on every '
  'host: found on TPU pods, SLURM, Open MPI and Kubernetes, elsewhere by the '
  'next three',
  'coordinator_address': 'HOST:PORT of host 0, where all find each other',
  'num_processes': 'how many there are',
  'process_id': 'which of them this is, from 0',
  'patience': 'seconds after which several hosts end if one does not come to '
  'the end of a call of K steps; ten times that to start, read, compile, test '
  'and save (60)',
  'profile': 'with --mode=benchmark: writes a trace of a few calls',
  'list': 'lists the experiments, one line each',
  'help': 'shows this text; with --experiment, its defaults',
}


def unknown_flag(name: str) -> str:
  """What to say of a flag that does not exist."""
  if name.partition('.')[0] in all_fields():
    return f'unknown flag --{name}: use --set={name}=VALUE'
  names = [*FLAGS, *fields_with_flags()]
  there = ', '.join(f'--{known}' for known in names)
  return f'unknown flag --{name}{nearest(name, names, "--")}: there are {there}'


def fields_with_flags() -> dict[str, str]:
  """Name -> text of the flags that change an experiment: its numbers and words,
  and what some arguments are called in short."""
  texts = {f.name: f.metadata['help'] for f in plain_fields()}
  return texts | {name: f'{path}, in short' for name, path in SHORT.items()}


def switches() -> list[str]:
  """The fields whose flags need no value: --skip_nonfinite."""
  return [f.name for f in plain_fields() if type(f.default) is bool]


def define(absl_flags, values):
  """Defines every flag on `values` with that module: ours, and one for each
  plain field."""
  special = {'mode', 'set', 'input', 'help', *SWITCHED}
  texts = {k: text for k, text in FLAGS.items() if k not in special}
  texts |= fields_with_flags()
  for name in texts.keys() - set(switches()):
    text = texts[name]
    absl_flags.DEFINE_string(name, None, text, flag_values=values)
  absl_flags.DEFINE_string('mode', 'train', FLAGS['mode'], flag_values=values)
  for name in ('set', 'input'):
    absl_flags.DEFINE_multi_string(name, [], FLAGS[name], flag_values=values)
  for name in switches():
    absl_flags.DEFINE_boolean(name, None, texts[name], flag_values=values)
  for name in SWITCHED:
    absl_flags.DEFINE_boolean(name, False, FLAGS[name], flag_values=values)
  absl_flags.DEFINE_boolean(
    'help', False, FLAGS['help'], short_name='h', flag_values=values
  )
  return values


def check(values):
  """ConfigError if a flag of ours that is given has no value, or --mode none of
  its own; a ~ behind a '=', which no shell does, becomes the user's home."""
  for name in FLAGS.keys() - {'set', 'help', *SWITCHED}:
    given = values[name].value
    texts = given if isinstance(given, list) else [given or 'none']
    if not all(map(str.strip, texts)) or given == '':
      raise ConfigError(f'--{name}= needs a value: {FLAGS[name]}')
  for name in ('workdir', 'data_dir', 'output'):
    if values[name].value:
      values[name].value = os.path.expanduser(values[name].value)
  values.input = list(map(os.path.expanduser, values.input))
  if values.profile and values.mode != 'benchmark':
    raise ConfigError('--profile goes with --mode=benchmark')
  if values.profile and values.distributed:
    raise ConfigError('--profile is of one process: leave --distributed out')
  if values.mode not in MODES:
    raise ConfigError(
      f'--mode must be one of {", ".join(MODES)}, not {values.mode!r}'
      f'{nearest(values.mode, MODES)}'
    )


def text(examples: str, ex: Experiment, name: str | None) -> str:
  """The whole of --help, with the defaults of this experiment."""
  lines = [examples.rstrip(), '', 'Flags (and their defaults):']
  lines += flags(ex) + fields(ex, f' of {name}' if name else '')
  lines += [
    '',
    'Exit codes: 0 done, 1 failed, 2 misused, 128 + n stopped by signal n.',
  ]
  return '\n'.join(lines)


def flags(ex: Experiment) -> list[str]:
  """Lines on the flags that are no fields; with the arms that ex has."""
  arms = {'arms': ', '.join(arm[0] for arm in ex.arms)} if ex.arms else {}
  return [
    entry(f'--{name}', text + (f': {arms[name]}' if name in arms else ''))
    for name, text in FLAGS.items()
  ]


def fields(ex: Experiment, of: str = '') -> list[str]:
  """Lines on every field: what it is, its value, what else it could be."""
  lines, leaves = ['', f'Numbers and words{of}:'], ex.leaves()
  for name, text in fields_with_flags().items():
    # What is short for an argument that this experiment has not has no value.
    there = leaves.get(SHORT[name], '-') if name in SHORT else getattr(ex, name)
    lines.append(entry(f'--{name}', f'{text} ({there})'))
  lines += ['', f'Functions{of}, changed with --set:']
  for field in function_fields():
    text = f'{field.metadata["help"]}: {render(getattr(ex, field.name))}'
    lines.append(entry(field.name, text + among(field)))
  text = all_fields()['schedule'].metadata['help'] + ': ' + render(ex.schedule)
  offered = lookup.choices(schedules, schedules.linear, ('step',))
  text += f' (of {lookup.listed(offered, "linear")})'
  lines += [entry('schedule', text), '']
  lines += [f'Arguments{of} that a sweep varies in one program, with --set:']
  numbers = [f'{k}={v}' for k, v in leaves.items() if k not in RATES]
  return [*lines, textwrap.indent(textwrap.fill(', '.join(numbers), 78), '  ')]


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
  home = lookup.home_of(default)
  offered = lookup.choices(home, default, field.metadata['takes'])
  if len(offered) < 2:
    return ''
  return f' (of {lookup.listed(offered, default.__name__, most=8)})'
