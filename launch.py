"""Trains and evaluates autoencoders: the only reader of flags.

python launch.py --experiment=denoise            embedded data, no network
python launch.py --experiment=vae --latents=8    any field is a flag
python launch.py --experiment=vae --set='network=mlp(widths=(256, 64))'
python launch.py --experiment=vae --set='schedule.beta=linear(steps=2000)'
python launch.py --experiment=vae --latents=2,4,8 --seed=0,1,2      a grid
python launch.py --workdir=RUN --epochs=40       goes on with a run
python launch.py --workdir=RUN --mode=evaluate   measures and draws it again
python launch.py --workdir=RUN --mode=report     verdicts again, from its files
python launch.py --experiment=vae --mode=benchmark --batch_size=64,256
python launch.py --workdir=RUN --mode=embed --input=PATH      codes of images
python launch.py --workdir=RUN --mode=reconstruct --input=PATH
python launch.py --workdir=RUN --mode=generate --count=100    new images
python launch.py --workdir=RUN --mode=interpolate --input=A.mid --input=B.mid
python launch.py --experiment=vae --help         the defaults of an experiment
"""

import sys

from vae_jax import console, signals

if __name__ == '__main__':  # before anything that takes its time
  console.guard()
  signals.catch()

import pathlib
import time
from typing import NamedTuple

import experiments
from vae_jax.console import Lost, show

STARTED = time.perf_counter()


class UsageError(Exception):
  """A command line that cannot be carried out, in one line."""


def main(argv: list[str]) -> int:
  """Runs one command line; the exit code: 0 done, 1 failed, 2 misused, 128 + n
  stopped by signal n, which 141 is if nobody reads its results."""
  try:
    if argv[1:] == ['--list']:  # without waiting for jax
      show(experiments.listing())
      return 0
    return attempt(argv)
  except Lost:
    return 128 + 13
  except ModuleNotFoundError as error:
    if (error.name or '').partition('.')[0] in ('vae_jax', 'experiments'):
      raise
    complain(
      f'no module {error.name!r} in {sys.executable}: '
      f'pip install -r requirements.txt'
    )
    return 1
  except OSError as error:
    complain(f'{error.strerror or error}: {error.filename or ""}'.rstrip(': '))
    return 1
  except KeyboardInterrupt as stop:
    number = signals.Stop.number(stop)
    complain(f'{number.name}: stopped')
    return 128 + number
  except Exception as error:
    told(f'{type(error).__name__}: {error}')
    raise


def attempt(argv: list[str]) -> int:
  """Runs one command line, errors as one line; the exit code."""
  try:
    import jax
  except ValueError as error:
    complain(f'a variable JAX_... is not what jax allows: {error}')
    return 2

  from vae_jax import hosts
  from vae_jax.config import ConfigError
  from vae_jax.data import DataError
  from vae_jax.hosts import HostsError
  from vae_jax.runs import machine
  from vae_jax.runs.directory import Interrupted, Refused, RunError
  from vae_jax.training import checkpoint

  machine.prepare_jax()
  checkpoint.quiet()
  try:
    return hosts.finish(dispatch(argv))
  except (UsageError, ConfigError, Refused, DataError, HostsError) as error:
    complain(error)
    return 2
  except Interrupted as error:
    if error.together:
      print(f'error: {console.named(str(error))}', file=sys.stderr)
      return hosts.finish(128 + error.signal)
    complain(error)
    return 128 + error.signal
  except (RunError, checkpoint.CheckpointError) as error:
    complain(error)
    return 1
  except (MemoryError, jax.errors.JaxRuntimeError) as error:
    if not isinstance(error, MemoryError):
      if hosts.several():  # the collective of one that is gone, mostly
        complain(hosts.blamed(error))
        return 1
      if 'RESOURCE_EXHAUSTED' not in str(error):
        raise
    complain(f'not enough memory: {str(error).partition(chr(10))[0]:.200}')
    return 1


def dispatch(argv: list[str]) -> int:
  """Parses the flags and does what they ask; the exit code."""
  from vae_jax.config.help import USES
  from vae_jax.runs import bucket, machine

  flags = parse(argv)
  if flags.help:
    show(usage(flags))
    return 0
  if flags.list:
    show(experiments.listing())
    return 0
  machine.join(flags.flag_values_dict())
  machine.check_jax()
  with bucket.copied(flags.workdir) as flags.workdir:
    if flags.mode in USES:
      use(flags)
    elif flags.mode == 'benchmark':
      benchmark(flags)
    else:
      return run(flags)
  return 0


def parse(argv: list[str]):
  """The flags; UsageError instead of absl's own message and exit code."""
  from absl import flags

  from vae_jax.config import help

  values = help.define(flags, flags.FlagValues())
  try:
    rest = values(argv)[1:]
  except flags.UnrecognizedFlagError as error:
    raise UsageError(help.unknown_flag(error.flagname)) from error
  except flags.Error as error:
    raise UsageError(str(error)) from error
  if rest:
    raise UsageError(f'unexpected {rest[0]!r}: flags look like --name=value')
  help.check(values)
  return values


def usage(values) -> str:
  """The text of --help, with the defaults of --experiment if one is given."""
  from vae_jax import config
  from vae_jax.config import help

  name = values.experiment
  ex = experiments.load(name) if name else config.Experiment()
  return help.text(__doc__, ex, name)


def overrides(values) -> list[str]:
  """'field=value' of every field given on the command line."""
  from vae_jax.config.help import fields_with_flags

  given = {name: values[name].value for name in fields_with_flags()}
  changes = [f'{k}={v}' for k, v in given.items() if v is not None]
  changes += [f'arms={values.arms}'] if values.arms else []
  changes += values.set
  names = {change.partition('=')[0].strip() for change in changes}
  if {'steps', 'epochs'} <= names:
    raise UsageError('give --steps or --epochs, not both')
  if 'epochs' in names:  # or an experiment's own steps would win
    changes.append('steps=None')
  return changes


class Chosen(NamedTuple):
  """What the flags and the run directory ask for."""

  name: str
  members: list  # grid.Member; one without a name is a run by itself
  changes: list[str]
  data_dir: str | None


def chosen(values) -> Chosen:
  """The runs of the flags and of the run directory, if it holds any."""
  from vae_jax import hosts
  from vae_jax.config import grid
  from vae_jax.runs.settings import config_of

  before = None
  if hosts.first() and values.workdir:
    before = config_of(values.workdir)
  before = hosts.told(before) or {}
  name = values.experiment or before.get('experiment')
  if not name:
    raise UsageError(
      f'--experiment is needed: {", ".join(experiments.known())}'
    )
  if name != before.get('experiment', name):
    raise UsageError(
      f'{values.workdir} holds a run of {before["experiment"]!r}, not {name!r}'
    )
  ex, new, old = (
    experiments.load(name),
    overrides(values),
    before.get('overrides', []),
  )
  # The same command again says nothing new.
  changes = old if new and old[-len(new) :] == new else old + new
  members = grid.members(ex, changes)
  if len(members) == 1 and 'runs' not in before:
    members = [members[0]._replace(name='')]
  data_dir = values.data_dir or before.get('data_dir')
  return Chosen(name, members, changes, data_dir)


def run(values) -> int:
  """Trains, measures or reports on runs, and prints what came out; the exit
  code."""
  from vae_jax import hosts
  from vae_jax.runs import command, directory

  if values.mode != 'train' and hosts.first():
    check_holds_run(values)
    directory.check_writable(pathlib.Path(values.workdir), 'workdir')
  name, members, changes, data_dir = chosen(values)
  if values.mode == 'train':
    with directory.working(values.workdir, name) as workdir:
      args = workdir, changes, data_dir, STARTED
      outcome = command.fit(name, members, *args)
  elif values.mode == 'evaluate':
    args = values.workdir, data_dir, STARTED
    outcome = command.evaluate(name, members, *args)
  else:
    outcome = command.report(name, members, values.workdir, STARTED)
  if outcome.runs:  # or another host shows them
    show(outcome.summary())
  return 1 if outcome.failed else 0


def check_holds_run(values):
  """UsageError if --workdir is not given or holds nothing of ours."""
  if not values.workdir:
    raise UsageError(f'--mode={values.mode} needs --workdir=RUN')
  if not pathlib.Path(values.workdir, 'config.json').is_file():
    raise UsageError(f'--workdir={values.workdir} holds no run')


def benchmark(values):
  """Measures the train steps of what the flags ask for, and prints it."""
  from vae_jax.runs import benchmark, directory

  name, members, _, data_dir = chosen(values)
  with directory.working(values.workdir, name, 'benchmark-') as workdir:
    rest = workdir, data_dir, STARTED, values.profile
    outcome = benchmark.benchmark(name, members, *rest)
    if outcome.paths:  # or another host shows them
      show(outcome.summary())


def use(values):
  """Embeds, reconstructs, interpolates or generates with a trained model."""
  from vae_jax.runs import use
  from vae_jax.runs.directory import check_writable

  check_holds_run(values)
  if changes := [c for c in overrides(values) if not c.startswith('seed=')]:
    raise UsageError(f'--mode={values.mode} changes no field: {changes[0]}')
  output = pathlib.Path(values.output or f'{values.workdir}/{values.mode}')
  check_writable(output, 'output')
  numbers = {k: values[k].value or v for k, v in use.NUMBERS.items()}
  paths = use.use(values.mode, values.workdir, values.input, output, **numbers)
  for path in paths[:10]:
    show(path)
  if len(paths) > 10:
    show(f'and {len(paths) - 10} more in {output}')


def complain(error):
  """The one line of an error, which other hosts hear too."""
  line = console.named(' '.join(str(error).split()))
  print(f'error: {line}', file=sys.stderr)
  told(line)


def told(line: str):
  """Tells other hosts, if there are any, why this one ends."""
  if hosts := sys.modules.get('vae_jax.hosts'):
    hosts.failed(line)


def command_line():
  """Runs the command of this process, and ends it."""
  try:
    code = main(sys.argv)
  except Exception:
    # Not Python's own end, at which jax would wait minutes for other hosts.
    sys.excepthook(*sys.exc_info())
    code = 1
  signals.ignore()
  console.leave(code)


if __name__ == '__main__':
  command_line()
