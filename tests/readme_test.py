"""What the README says is so: its commands, its program, its length."""

import pathlib
import re
import shlex

import jax
import numpy as np
import pytest

import launch

ROOT = pathlib.Path(launch.__file__).parent
README = (ROOT / 'README.md').read_text()
PAGES = [*ROOT.glob('*.md'), *ROOT.glob('*/README.md'), *ROOT.glob('*/*/*.md')]


def blocks(text: str) -> list[str]:
  """The indented blocks of a page, without their indentation."""
  found = re.findall(r'(?:^    .*\n|^\n(?=    ))+', text, re.MULTILINE)
  return [re.sub(r'^ {4}', '', block, flags=re.MULTILINE) for block in found]


def commands() -> list[str]:
  """Every launch.py command of every page, without what is said beside it."""
  lines = [
    line
    for page in PAGES
    for block in blocks(page.read_text())
    for line in block.split('&&')
    for line in line.splitlines()
  ]
  return [
    line.strip().split('    ')[0].split('  ')[0]
    for line in lines
    if 'launch.py' in line
  ]


def test_it_is_short_and_its_first_path_too():
  assert len(README.splitlines()) <= 120
  said = re.search(r'read 900 lines: (.*?)\n\n', README, re.DOTALL)[1]
  files = re.findall(r'`([\w/]+\.py)`', said)
  there = [next(p for p in (ROOT / f, ROOT / 'vae_jax' / f) if p.exists())
           for f in files]  # fmt: skip
  assert len(there) >= 8 and there[-1].name == 'step.py'
  assert sum(len(p.read_text().splitlines()) for p in there) <= 950


@pytest.mark.parametrize('command', commands())
def test_its_commands_are_understood(command, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  argv = shlex.split(command)
  flags = launch.parse(argv[argv.index('launch.py') :])
  if flags.experiment and not flags.workdir:
    assert launch.chosen(flags).members


def test_its_links_and_pictures_exist():
  for page in PAGES:
    text = page.read_text()
    paths = re.findall(r'\]\((?!http)([^)#]+)\)|src="([^"]+)"', text)
    for path in filter(None, sum(paths, ())):
      assert (page.parent / path).exists(), f'{page.name}: {path}'


@pytest.mark.slow
def test_its_program_trains_one_run_for_each_key_and_number():
  [program] = [b for b in blocks(README) if 'jax.vmap' in b]
  names = {}
  exec(program.replace('(1000,', '(3,'), names)
  assert names['metrics']['kl_nats'].shape == (3, 3)
  key = jax.random.split(jax.random.key(0), 3)[1]
  state, metrics = jax.jit(names['run'])(key, names['betas'][1])
  alone = jax.tree.leaves((state.params, metrics))
  swept = jax.tree.leaves((names['states'].params, names['metrics']))
  for one, of_all in zip(alone, swept, strict=True):
    np.testing.assert_allclose(one, of_all[1], rtol=2e-5, atol=1e-6)
