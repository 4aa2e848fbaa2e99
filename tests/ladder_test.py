"""Who may import whom: always downwards, and some things in one place only."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# A module may import from strictly lower lines only; a new file goes in here.
LADDER = """
spelling padding similarity
data.batch data.ordering data.placing
data.cache data.directories data.embedded data.selecting data.splitting
data.arrays data.folder data.preparing
data.prepared
data.catalogue
convolutions_cpu figures.style
convolutions networks.shapes figures.pixels
networks.dense networks.lesson networks.skips networks.strided
networks.classifying networks.critics networks.upscaling
figures.history figures.images figures.matrices figures.plots checksums
figures.comparisons data networks priors likelihoods views
posteriors
model
objectives
config
functions train restored feed
override manual evaluate
grid
baselines fidelity matching probes figures checkpoint importance log trained
pictures reports
latent_pictures over_latents
results
loop
records
run sweep
places plan
together
runs use bench
benchmark
"""
RUNG = {
  name: height
  for height, line in enumerate(LADDER.split('\n'))
  for name in line.split()
}


def sources() -> dict[str, str]:
  """Module name -> source of every file of the program."""
  files = [ROOT / 'launch.py']
  files += [*ROOT.glob('vae_jax/**/*.py'), *ROOT.glob('experiments/**/*.py')]
  return {module(path.relative_to(ROOT)): path.read_text() for path in files}


def module(path) -> str:
  return '.'.join(path.with_suffix('').parts).removesuffix('.__init__')


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


def longest_known(name: str, known) -> str | None:
  """'networks.dense' of 'networks.dense.mlp'."""
  while name and name not in known:
    name = name.rpartition('.')[0]
  return name or None


def violations(name: str, source: str) -> list[str]:
  """What this module imports against the rules."""
  wrong = []
  for imported in imports(source):
    package, _, rest = imported.partition('.')
    if not package:
      wrong.append(f'{name} imports {imported}: say it in full')
    elif package in ('experiments', 'launch', 'absl') and not (
      name == 'launch' or package == name.partition('.')[0]
    ):
      wrong.append(f'{name} imports {imported}')
    elif package == 'tensorflow':
      wrong.append(f'{name} imports tensorflow')
    elif package == 'orbax' and name != 'vae_jax.checkpoint':
      wrong.append(f'{name} imports orbax')
    elif package == 'vae_jax' and name.startswith('vae_jax.'):
      target = longest_known(rest, RUNG)
      here = RUNG.get(name.removeprefix('vae_jax.'), -1)
      if target is None or RUNG[target] >= here:
        wrong.append(f'{name} imports {imported}, which is not below it')
  return wrong


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


@pytest.mark.parametrize('name', sources())
def test_imports_go_strictly_downwards(name):
  assert violations(name, sources()[name]) == []


def test_every_module_has_a_rung_and_every_rung_a_module():
  names = {name.removeprefix('vae_jax.') for name in sources() if '.' in name}
  names -= {name for name in names if name.startswith('experiments.')}
  assert names == set(RUNG)


def test_pmap_is_in_one_function():
  found = {
    (name, place)
    for name, source in sources().items()
    for place in places(source, 'pmap')
  }
  assert found == {('vae_jax.train', 'over_devices')}


@pytest.mark.parametrize(
  ('name', 'source'),
  [
    ('vae_jax.data', 'from vae_jax import train'),
    ('vae_jax.data', 'from vae_jax import views'),
    ('vae_jax.data', 'import vae_jax.views as v'),
    ('vae_jax.data', 'def f():\n  from vae_jax.run import fit'),
    ('vae_jax.data', 'from . import priors'),
    ('vae_jax.networks.shapes', 'from vae_jax.networks.dense import mlp'),
    ('vae_jax.networks.dense', 'from vae_jax.networks import conv'),
    ('vae_jax.brand_new', 'from vae_jax import data'),
    ('vae_jax.run', 'from vae_jax import brand_new'),
    ('vae_jax.run', 'import experiments.vae'),
    ('vae_jax.run', 'from launch import main'),
    ('vae_jax.run', 'from absl import flags'),
    ('vae_jax.run', 'import orbax.checkpoint as ocp'),
    ('vae_jax.data', 'import tensorflow as tf'),
    ('launch', 'import tensorflow.compat'),
    ('experiments.vae', 'from absl import flags'),
    ('experiments.vae', 'import launch'),
  ],
)
def test_the_checker_sees_a_violation(name, source):
  assert len(violations(name, source)) == 1


def test_the_checker_allows_what_is_allowed():
  assert violations('vae_jax.run', 'from vae_jax import data, loop') == []
  assert violations('vae_jax.checkpoint', 'import orbax.checkpoint') == []
  assert violations('launch', 'from absl import flags') == []
  assert violations('experiments.vae', 'from vae_jax import run') == []


def test_the_checker_sees_every_way_to_pmap():
  source = 'def f():\n  return jax.pmap(g)\nfrom jax import pmap\npmap(g)'
  assert places(source, 'pmap') == ['f', '', '']
