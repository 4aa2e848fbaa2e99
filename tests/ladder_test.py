"""Who may import whom: always downwards, and some things in one place only.

Folders stand on a ladder; inside a folder a file imports only files named
before it in the docstring of the folder's `__init__`.
"""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / 'vae_jax'

# One line a folder, or several that do not know each other.
LADDER = """
console files images signals
hosts music
networks
data factors figures
config
training
measures
reports
runs
"""
RUNG = {
  name: height
  for height, line in enumerate(LADDER.split('\n'))
  for name in line.split()
}


def sources() -> dict[str, str]:
  """Dotted name -> source of every file of the program."""
  files = [ROOT / 'launch.py']
  files += [*PACKAGE.rglob('*.py'), *ROOT.glob('experiments/**/*.py')]
  return {dotted(path.relative_to(ROOT)): path.read_text() for path in files}


def dotted(path) -> str:
  return '.'.join(path.with_suffix('').parts).removesuffix('.__init__')


def named(document: str) -> list[str]:
  """The files that the docstring of a folder explains, in its order."""
  return re.findall(r'^ {0,2}(\w+)  +\S', document or '', re.MULTILINE)


def folders() -> dict[str, list[str]]:
  """Dotted name of a folder below the package -> the files it names."""
  found = {}
  for path in PACKAGE.rglob('*/__init__.py'):
    document = ast.get_docstring(ast.parse(path.read_text()))
    found[dotted(path.relative_to(ROOT))] = named(document)
  return found


FOLDERS = folders()


def imports(source: str) -> list[str]:
  """Every name that a source imports, as 'package.module.name'."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      found += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      base = '.' * node.level + (node.module or '')
      found += [f'{base}.{alias.name}' for alias in node.names]
  return found


def below(name: str, target: str) -> bool:
  """Whether the ladder has `target` below `name`, both in the package."""
  here, there = name.split('.')[1:], target.split('.')[1:]
  if here[0] != there[0]:
    return RUNG.get(there[0], 99) < RUNG.get(here[0], -1)
  at = 'vae_jax'
  for one, other in zip(here, there, strict=False):
    if one != other:
      order = FOLDERS[at]
      known = one in order and other in order
      return known and order.index(other) < order.index(one)
    at = f'{at}.{one}'
  # A folder's own __init__ offers what its files hold, and no file knows it.
  return len(here) < len(there)


def file_of(name: str) -> str:
  """'vae_jax.networks.mlp' of 'vae_jax.networks.mlp.relu_layers'."""
  while (
    not (path := ROOT / pathlib.Path(*name.split('.')))
    .with_suffix('.py')
    .exists()
    and not (path / '__init__.py').exists()
  ):
    name = name.rpartition('.')[0]
    if not name:
      return ''
  return name


def violations(name: str, source: str) -> list[str]:
  """What this file imports against the rules."""
  wrong = []
  for imported in imports(source):
    package = imported.partition('.')[0]
    if not package:
      wrong.append(f'{name} imports {imported}: say it in full')
    elif package in ('experiments', 'launch', 'absl') and not (
      name == 'launch' or package == name.partition('.')[0]
    ):
      wrong.append(f'{name} imports {imported}')
    elif package == 'tensorflow':
      wrong.append(f'{name} imports tensorflow')
    elif package == 'orbax' and name != 'vae_jax.training.checkpoint':
      wrong.append(f'{name} imports orbax')
    elif package == 'vae_jax' and name.startswith('vae_jax.'):
      target = file_of(imported)
      if target == 'vae_jax' or not below(name, target):
        wrong.append(f'{name} imports {imported}, which is not below it')
  if name.startswith('vae_jax'):
    wrong += [f'{name} names {text!r}' for text in reaches(source)]
  return wrong


def reaches(source: str) -> list[str]:
  """Texts by which a source of the package could import an experiment, as
  importlib.import_module('experiments.' + name) does."""
  strings = [
    node.value
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
  ]
  return [text for text in strings if re.match(r'experiments(\.|$)', text)]


def places(source: str, name: str) -> list[str]:
  """The functions in which a source names this; '' outside of any."""
  found = []

  def visit(node, function):
    if isinstance(node, ast.FunctionDef):
      function = node.name
    # How an attribute, a variable and an import name it.
    if name in [getattr(node, kind, None) for kind in ('attr', 'id', 'name')]:
      found.append(function)
    for child in ast.iter_child_nodes(node):
      visit(child, function)

  visit(ast.parse(source), '')
  return found


def named_in(name: str, start: str) -> set:
  """(file, function) wherever files of this start name this."""
  return {
    (file, place)
    for file, source in sources().items()
    if file.startswith(start)
    for place in places(source, name)
  }


@pytest.mark.parametrize('name', sources())
def test_imports_go_strictly_downwards(name):
  assert violations(name, sources()[name]) == []


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_folder_explains_every_file_of_its_own(folder):
  path = ROOT / folder.replace('.', '/')
  files = {p.stem for p in path.glob('*.py')} - {'__init__'}
  below = {p.parent.name for p in path.glob('*/__init__.py')}
  assert sorted(FOLDERS[folder]) == sorted(files | below)


def test_every_folder_has_a_rung_and_every_rung_a_folder():
  files = {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'}
  folders = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
  assert files | folders == set(RUNG)


def test_pmap_is_in_one_function():
  assert named_in('pmap', '') == {('vae_jax.training.devices', 'over_devices')}


OURS = {'ex', 'state', 'hyper', 'member', 'trained'}


@pytest.mark.parametrize('name', sources())
def test_what_is_of_a_type_of_ours_says_so(name):
  functions = [
    node
    for node in ast.walk(ast.parse(sources()[name]))
    if isinstance(node, ast.FunctionDef)
  ]
  bare = {
    f'{function.name}({argument.arg})'
    for function in functions
    for argument in function.args.args + function.args.kwonlyargs
    if argument.arg in OURS and argument.annotation is None
  }
  assert bare == set() or name.startswith('vae_jax.networks')


@pytest.mark.parametrize('name', sources())
def test_text_is_read_and_written_in_an_encoding_that_is_said(name):
  # Ruff's rule (PLW1514) knows no path that comes as an argument.
  bare = [
    node.lineno
    for node in ast.walk(ast.parse(sources()[name]))
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and node.func.attr in ('read_text', 'write_text')
    and len(node.args) < 1 + (node.func.attr == 'write_text')
    and not any(k.arg == 'encoding' for k in node.keywords)
  ]
  assert bare == []


def test_what_a_text_names_is_imported_in_one_function():
  # The worker that reads files is told its parser by ours alone.
  wanted = {
    ('vae_jax.config.text', 'module'),
    ('vae_jax.music.reader', '_parser'),
  }
  assert named_in('import_module', 'vae_jax') == wanted
  assert named_in('__import__', 'vae_jax') == set()


@pytest.mark.parametrize(
  ('name', 'source'),
  [
    ('vae_jax.data.batch', 'from vae_jax import training'),
    ('vae_jax.data.batch', 'from vae_jax.factors import views'),
    ('vae_jax.data.batch', 'import vae_jax.factors.views as v'),
    ('vae_jax.data.batch', 'def f():\n  from vae_jax.runs.use import load'),
    ('vae_jax.data.batch', 'from . import order'),
    ('vae_jax.data.batch', 'from vae_jax.data import order'),
    ('vae_jax.data.batch', 'from vae_jax.data.tfds.cache import read'),
    ('vae_jax.networks.shapes', 'from vae_jax.networks.mlp import mlp'),
    ('vae_jax.networks.mlp', 'from vae_jax.networks import conv'),
    ('vae_jax.networks.mlp', 'from vae_jax import networks'),
    ('vae_jax.images', 'from vae_jax.console import say'),
    ('vae_jax.config.text', 'from vae_jax.config.grid import Member'),
    ('vae_jax.brand_new', 'from vae_jax import data'),
    ('vae_jax.runs.brand_new', 'from vae_jax.runs import use'),
    ('vae_jax.runs.use', 'from vae_jax import brand_new'),
    ('vae_jax.runs.use', 'import experiments.vae'),
    ('vae_jax.runs.use', "importlib.import_module(f'experiments.{name}')"),
    ('vae_jax.runs.use', 'from launch import main'),
    ('vae_jax.runs.use', 'from absl import flags'),
    ('vae_jax.runs.use', 'import orbax.checkpoint as ocp'),
    ('vae_jax.data.batch', 'import tensorflow as tf'),
    ('launch', 'import tensorflow.compat'),
    ('experiments.vae', 'from absl import flags'),
    ('experiments.vae', 'import launch'),
  ],
)
def test_the_checker_sees_a_violation(name, source):
  assert len(violations(name, source)) == 1


def test_the_checker_allows_what_is_allowed():
  allowed = {
    'vae_jax.runs.use': 'from vae_jax import data, training',
    'vae_jax.data.catalogue': 'from vae_jax.data.own import images',
    'vae_jax.data.own.npz': 'from vae_jax.data.split import divided',
    'vae_jax.data.tfds.decode': 'from vae_jax.data.tfds import cache',
    'vae_jax.networks': 'from vae_jax.networks.mlp import mlp',
    'vae_jax.training.checkpoint': 'import orbax.checkpoint',
    'launch': 'from absl import flags',
    'experiments.vae': 'from vae_jax.runs import use',
  }
  for name, source in allowed.items():
    assert violations(name, source) == []


def test_the_checker_sees_every_way_to_pmap():
  source = 'def f():\n  return jax.pmap(g)\nfrom jax import pmap\npmap(g)'
  assert places(source, 'pmap') == ['f', '', '']
