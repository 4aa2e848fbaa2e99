"""Trains, evaluates and benchmarks autoencoders: the only reader of flags.

python launch.py --experiment=denoise            embedded data, no network
python launch.py --experiment=vae --latents=8    any field is a flag
python launch.py --list                          experiments, one line each
"""

import ast
import dataclasses
import datetime
import difflib
import os
import pathlib
import pkgutil
import sys
import time

STARTED = time.perf_counter()
ROOT = pathlib.Path(__file__).parent
MODES = ('train', 'evaluate')


class UsageError(Exception):
  """A command line that cannot be carried out, in one line."""


def main(argv: list[str]) -> int:
  """Runs one command line; the exit code: 0 done, 1 failed, 2 misused."""
  prepare_jax()
  from vae_jax import checkpoint, config, data, loop

  try:
    return dispatch(argv)
  except (UsageError, config.ConfigError) as error:
    complain(error)
    return 2
  except loop.Interrupted as error:
    complain(error)
    return 128 + error.signal
  except (loop.RunError, data.DataError, checkpoint.CheckpointError) as error:
    complain(error)
    return 1
  except OSError as error:
    complain(f'{error.strerror or error}: {error.filename or ""}'.rstrip(': '))
    return 1


def prepare_jax():
  """Sets what must be set before jax runs anything."""
  import jax

  # Float32 means float32: the default is TF32 on GPUs, bfloat16 on TPUs.
  jax.config.update('jax_default_matmul_precision', 'highest')
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    jax.config.update('jax_compilation_cache_dir', f'{home}/vae_jax/xla')
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


def dispatch(argv: list[str]) -> int:
  """Parses the flags and does what they ask."""
  flags = parse(argv)
  if flags.help:
    print(usage(flags))
  elif flags.list:
    print(listing())
  elif flags.mode == 'evaluate':
    evaluate(flags)
  else:
    train(flags)
  return 0


def parse(argv: list[str]):
  """The flags; UsageError instead of absl's own message and exit code."""
  from absl import flags

  values = define(flags.FlagValues())
  try:
    rest = values(argv)[1:]
  except flags.Error as error:
    raise UsageError(mended(str(error), values)) from error
  if rest:
    raise UsageError(f'unexpected {rest[0]!r}: flags look like --name=value')
  if values.mode not in MODES:
    raise UsageError(
      f'--mode must be {" or ".join(MODES)}, not {values.mode!r}'
    )
  return values


def define(values):
  """Defines every flag on `values`: ours and one for each plain field."""
  from absl import flags

  def text(name, default, help, **kwargs):
    flags.DEFINE_string(name, default, help, flag_values=values, **kwargs)

  def switch(name, help, **kwargs):
    flags.DEFINE_boolean(name, False, help, flag_values=values, **kwargs)

  text('experiment', None, 'a file of experiments/, see --list')
  text('mode', 'train', ' | '.join(MODES))
  text('workdir', None, 'run directory; one that exists is gone on with')
  text('data_dir', None, 'where prepared datasets lie')
  flags.DEFINE_multi_string(
    'set',
    [],
    'any field, nested too: network.widths=(256,)',
    flag_values=values,
  )
  switch('list', 'lists the experiments')
  switch('help', 'shows this text', short_name='h')
  for field in plain_fields():
    text(field.name, None, field.metadata['help'])
  return values


def plain_fields():
  """The fields of Experiment that have a flag of their own."""
  from vae_jax import config

  return [f for f in dataclasses.fields(config.Experiment) if config.plain(f)]


def mended(message: str, values) -> str:
  """absl's complaint as one line, with the nearest flag there is."""
  line = message.splitlines()[0].removeprefix('FATAL Flags parsing error:')
  if 'Unknown command line flag' in line:
    name = line.split("'")[1]
    near = difflib.get_close_matches(name, list(values), n=1)
    hint = f': did you mean --{near[0]}?' if near else '; see --help'
    return f'unknown flag --{name}{hint}'
  return line.strip()


def experiments() -> dict[str, str]:
  """Name -> first line of its docstring, of every file in experiments/."""
  found = {}
  for module in pkgutil.iter_modules([str(ROOT / 'experiments')]):
    source = (ROOT / 'experiments' / f'{module.name}.py').read_text()
    document = ast.get_docstring(ast.parse(source)) or '(no docstring)'
    found[module.name] = document.splitlines()[0]
  return found


def listing() -> str:
  """One line per experiment."""
  known = experiments()
  width = max(map(len, known))
  return '\n'.join(f'{name:<{width}}  {line}' for name, line in known.items())


def usage(values) -> str:
  """The text of --help, with the defaults of --experiment if one is given."""
  from vae_jax import config

  ex = load(values.experiment) if values.experiment else config.Experiment()
  ours = ('experiment', 'mode', 'workdir', 'data_dir', 'set', 'list', 'help')
  lines = [__doc__.rstrip(), '', 'flags:']
  lines += [f'  --{name:<16} {values[name].help}' for name in ours]
  lines += ['', f'fields of an experiment ({values.experiment or "default"}):']
  for field in plain_fields():
    default = getattr(ex, field.name)
    lines.append(f'  --{field.name:<16} {field.metadata["help"]} ({default})')
  others = [f for f in dataclasses.fields(ex) if not config.plain(f)]
  lines += ['', 'set with --set=FIELD=VALUE or --set=FIELD.ARGUMENT=VALUE:']
  for field in others:
    value = config.render(getattr(ex, field.name))
    lines.append(f'  {field.name:<18} {field.metadata["help"]} ({value})')
  return '\n'.join(lines)


def load(name: str):
  """The experiment of this name; UsageError naming the nearest."""
  import importlib

  known = experiments()
  if name not in known:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    raise UsageError(
      f'unknown experiment {name!r}{hint}: there are {", ".join(known)}'
    )
  return importlib.import_module(f'experiments.{name}').experiment


def overrides(values) -> list[str]:
  """'field=value' of every field given on the command line."""
  given = [
    f'{field.name}={values[field.name].value}'
    for field in plain_fields()
    if values[field.name].value is not None
  ]
  names = {text.partition('=')[0] for text in given}
  if {'steps', 'epochs'} <= names:
    raise UsageError('give --steps or --epochs, not both')
  if 'epochs' in names:
    given.append('steps=None')
  return given + list(values.set)


def chosen(values):
  """(name, Experiment, overrides) of the flags and the run directory."""
  from vae_jax import config, run

  found = run.read_config(values.workdir) if values.workdir else None
  name = values.experiment or (found and found['experiment'])
  if not name:
    raise UsageError(f'--experiment is needed: {", ".join(experiments())}')
  if found and name != found['experiment']:
    raise UsageError(
      f'{values.workdir} holds a run of {found["experiment"]!r}, not {name!r}'
    )
  ex, changes = load(name), overrides(values)
  changes = (found['overrides'] if found else []) + changes
  for change in changes:
    field, _, text = change.partition('=')
    if ',' in text and field in {f.name for f in plain_fields()}:
      raise UsageError(
        f'--{change}: a list of values (a sweep) is not there yet'
      )
    ex = config.override(ex, change)
  return name, ex, changes


def train(values):
  """Trains, or goes on training, and prints what came out."""
  from vae_jax import run

  name, ex, changes = chosen(values)
  now = datetime.datetime.now().strftime('%Y%m%d-%H%M%S')
  workdir = pathlib.Path(values.workdir or ROOT / 'runs' / name / now)
  outcome = run.fit(name, ex, workdir, changes, values.data_dir, STARTED)
  print(outcome.summary())


def evaluate(values):
  """Measures and draws a run's newest checkpoint, and prints it."""
  from vae_jax import run

  if not values.workdir:
    raise UsageError('--mode=evaluate needs --workdir=RUN')
  if not pathlib.Path(values.workdir).is_dir():
    raise UsageError(f'--workdir: no directory {values.workdir}')
  name, ex, _ = chosen(values)
  outcome = run.evaluate_run(name, ex, values.workdir, values.data_dir, STARTED)
  print(outcome.summary())


def complain(error):
  """The one line of an error."""
  print(f'error: {" ".join(str(error).split())}', file=sys.stderr)


if __name__ == '__main__':
  sys.exit(main(sys.argv))
