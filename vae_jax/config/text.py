"""An experiment as the text of its fields, and back.

A function is written FILE.NAME, as the user imports it: views.noisy,
networks.conv, optax.scale_by_adam; one of the user's own by its whole module,
experiments.losses.report.
"""

import ast
import functools
import importlib
import importlib.util
import inspect
import pathlib
import re
import sys
import sysconfig

from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import (
  SHORT,
  Experiment,
  fields,
  plain_fields,
)
from vae_jax.config.leaves import parts

ROOT = pathlib.Path(__file__).parent.parent
# What files, and functions in them, are called now that older run directories
# name otherwise.
MOVED = {
  'evaluate': 'per_example',
  'latent_pictures': 'walks',
  'reports': 'claims',
}
RENAMED = {
  'per_example.elbo': 'objectives.elbo',
  'per_example.reconstruction': 'objectives.reconstruction',
  'per_example.mistaken_elbo': 'objectives.mistaken_elbo',
  'posteriors.Normal': 'posteriors.normal',
  'posteriors.Point': 'posteriors.point',
}
ERRORS = (
  *(ValueError, SyntaxError, TypeError, ImportError, AttributeError),
  *(RecursionError, MemoryError),
)


def name_of(f) -> str:
  """The name of a function, under a partial too."""
  return parts(f)[0].__name__


def module_name(function) -> str:
  """What the user calls the module of a function: 'networks', 'views'."""
  package, *names = function.__module__.split('.')
  if package != ROOT.name or not names:
    return package if package == 'optax' else function.__module__
  folder = sys.modules['.'.join([package, *names[:-1]])]
  offered = getattr(folder, function.__name__, None) is function
  return names[-2] if offered and len(names) > 1 else names[-1]


def module(name: str):
  """The module that the user calls so: a file or folder of this package by its
  own name, optax, or one of the user's own; ImportError for any other.

  The one place that imports what a text names: config.json may come from
  anywhere, and must not reach what is neither ours nor the user's.
  """
  name = MOVED.get(name, name)
  if name not in own_files() and name != 'optax' and not is_users(name):
    raise ImportError(f'there is no module {name!r} of vae_jax or your own')
  return importlib.import_module(own_files().get(name, name))


@functools.cache
def own_files() -> dict[str, str]:
  """Name -> dotted name of every file and folder of this package; of several
  with one name the one that is nearest to its top."""
  dotted = {}
  paths = sorted(ROOT.rglob('*.py'), key=lambda path: (len(path.parts), path))
  for path in paths:
    names = path.relative_to(ROOT.parent).with_suffix('').parts
    names = names[:-1] if names[-1] == '__init__' else names
    dotted.setdefault(names[-1], '.'.join(names))
  return dotted


def is_users(name: str) -> bool:
  """Whether a module is neither Python's nor part of an installed package."""
  try:
    spec = importlib.util.find_spec(name.partition('.')[0])
  except ValueError:  # __main__, or no name at all
    return False
  if spec is None:
    return False
  places = [spec.origin, *(spec.submodule_search_locations or [])]
  path = pathlib.Path(next(filter(None, places), 'built-in')).resolve()
  installed = {'site-packages', 'dist-packages'} & set(path.parts)
  python = pathlib.Path(sysconfig.get_path('stdlib')).resolve()
  return path.exists() and not installed and not path.is_relative_to(python)


def render(value) -> str:
  """A field as text: a number, or module.name(arguments)."""
  if isinstance(value, tuple):
    inside = ', '.join(map(render, value))
    return f'({inside},)' if len(value) == 1 else f'({inside})'
  if isinstance(value, Experiment):
    said = {
      name: getattr(value, name)
      for name, field in fields().items()
      if getattr(value, name) != field.default
    }
    inside = ', '.join(f'{k}={render(v)}' for k, v in said.items())
    return f'Experiment({inside})'
  if not callable(value):
    return repr(value)
  function, keywords = parts(value)
  text = f'{module_name(function)}.{function.__qualname__}'
  inside = ', '.join(f'{k}={render(v)}' for k, v in sorted(keywords.items()))
  return f'{text}({inside})' if keywords else text


def rendered(ex: Experiment) -> dict[str, str]:
  """Every field of an experiment as text."""
  return {name: render(getattr(ex, name)) for name in fields()}


def restored(texts: dict[str, str], model_only: bool = False) -> Experiment:
  """The experiment whose fields render as these texts; with `model_only` the
  functions that a trained model has no use for stay at their defaults.

  Raises ConfigError naming the field that does not say what it said.
  """
  values = {}
  for name, text in modern(texts).items():
    if name not in fields():
      raise ConfigError(f'this version has no field {name!r}')
    if model_only and not fields()[name].metadata['model']:
      continue
    try:
      values[name] = _value(ast.parse(text, mode='eval').body)
    except ERRORS as error:
      raise ConfigError(f'{name}={text:.200} cannot be had: {error}') from error
  return Experiment(**values)


def _value(node):
  """What a piece of rendered text means: a number, function or partial."""
  if isinstance(node, ast.Tuple):
    return tuple(_value(element) for element in node.elts)
  if isinstance(node, ast.Call):
    keywords = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if ast.unparse(node.func) == Experiment.__name__:
      return Experiment(**keywords)
    return functools.partial(_value(node.func), **keywords)
  if isinstance(node, ast.Attribute):
    home, _, name = current(ast.unparse(node)).rpartition('.')
    return getattr(module(home), name)
  return ast.literal_eval(node)


def current(text: str) -> str:
  """A rendered text, or an assignment, with files and functions as they are
  called now."""
  for old, new in (MOVED | RENAMED).items():
    after = r'(?=\.\w)' if old in MOVED else r'(?![\w.])'
    text = re.sub(rf'(?<![\w.]){re.escape(old)}{after}', new, text)
  return text


def modern(texts: dict[str, str]) -> dict[str, str]:
  """The texts of an older run with the fields of today: some numbers were
  fields of their own that are now arguments of a function."""
  texts = dict(texts)
  if texts.get('schedule') == 'objectives.constant':
    texts['schedule'] = '()'
  for name, path in SHORT.items():
    number, (field, argument) = texts.pop(name, None), path.split('.')
    if number is not None and field in texts:
      texts[field] = _with_argument(texts[field], argument, number)
  return texts


def _with_argument(text: str, argument: str, number: str) -> str:
  """The text of a function with this argument, if it takes it."""
  try:
    f = _value(ast.parse(text, mode='eval').body)
    takes = argument in inspect.signature(parts(f)[0]).parameters
    value = ast.literal_eval(number)
  except ERRORS:  # said where the function is made
    return text
  return render(functools.partial(f, **{argument: value})) if takes else text


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
  """Fields, among those that make a run what it is, that do not mean the same;
  a field that is younger than the old text had its default."""
  was = modern(old)
  was = {
    name: was.get(name, render(field.default))
    for name, field in fields().items()
  }
  # Words are the user's: a path may hold the name of a file of ours.
  words = {field.name for field in plain_fields()}
  was = {k: t if k in words else current(t) for k, t in was.items()}
  return [
    f'{name} was {was[name]}, now {new[name]}'
    for name, field in fields().items()
    if field.metadata['identity'] and _meaning(was[name]) != _meaning(new[name])
  ]


def _meaning(text: str) -> str:
  """The text with every float argument that a function has by default."""
  try:
    return render(_spelled(_value(ast.parse(text, mode='eval').body)))
  except ERRORS:
    return text


def _spelled(value):
  if isinstance(value, tuple):
    return tuple(map(_spelled, value))
  base, keywords = parts(value)
  if not inspect.isfunction(base):
    return value
  floats = {
    name: parameter.default
    for name, parameter in inspect.signature(base).parameters.items()
    if isinstance(parameter.default, float)
  }
  given = {name: _spelled(inner) for name, inner in keywords.items()}
  return functools.partial(base, **floats | given)
