"""Writes experiments/README.md: every experiment's verdicts from its results.

  python -m tests.experiments_page --workdir=runs/page --seed=0,1,2

Runs each by `python launch.py --experiment=NAME`, unless its directory below
`--workdir` holds the results already.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import launch

# The picture of a run's or a grid's that stands for an experiment.
PICTURES = {
  'adversarial_autoencoder': 'critic',
  'bottleneck': 'noise',
  'classifier': 'curves',
  'conditional_vae': 'classes',
  'conv_vae': 'manifold',
  'denoise': 'denoised',
  'embedding': 'over_latents',
  'generate': 'samples',
  'latent_noise': 'noisy_codes_vae',
  'losses': 'cross',
  'probe': 'probe',
  'sparse_autoencoder': 'activations',
  'super_resolution': 'enlarged',
  'transfer': 'lost_digits',
  'vae': 'manifold',
}
HEAD = """# Experiments

Written by `python -m tests.experiments_page --seed={seeds}`, not by hand, from
the results of `python launch.py --experiment=NAME --seed={seeds}` on {device},
jax {jax}. Seconds are for the whole command, all seeds, with a warm compilation
cache; +- is a standard error over the runs. Where a claim of the lesson did not
hold, the verdict says so. The docstring of each file has its figures on other
data.

| | experiment | seconds |
|---|---|---|
"""


def main():
  """Runs what has no results yet, and writes the page."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--workdir', default='runs/page', type=pathlib.Path)
  parser.add_argument('--seed', default='0,1,2')
  flags = parser.parse_args()
  rows = []
  for name, line in launch.experiments().items():
    folder = (flags.workdir / name).absolute()
    if not (folder / 'sweep.json').exists():
      command = f'--experiment={name}', f'--seed={flags.seed}'
      command += (f'--workdir={folder}',)
      subprocess.run([sys.executable, 'launch.py', *command], check=True)
    rows.append(row(name, line, folder))
  run = json.loads(next(folder.glob('*/config.json')).read_text())
  facts = {'device': run['devices'], 'jax': run['versions']['jax']}
  page = launch.ROOT / 'experiments' / 'README.md'
  page.write_text(HEAD.format(seeds=flags.seed, **facts) + '\n'.join(rows))


def row(name: str, line: str, folder: pathlib.Path) -> str:
  """The line of the table on one experiment; its picture is copied."""
  sweep = json.loads((folder / 'sweep.json').read_text())
  place = f'.github/pictures/{name}.png'
  shutil.copy(picture_in(folder, name), launch.ROOT / place)
  verdicts = '<br>'.join(f'• {text}' for text in sweep['verdicts'])
  text = f'**`{name}`** {line}<br>{verdicts}'.replace('|', '\\|')
  return (
    f'| <img src="../{place}" width="260"> | {text} | {sweep["wall_s"]:.0f} |'
  )


def picture_in(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The picture of the whole grid, or of its first run that has one."""
  file = f'{PICTURES.get(name, "reconstructions")}.png'
  there = [
    folder / 'pictures' / file,
    *sorted(folder.glob(f'*/pictures/{file}')),
  ]
  return next(path for path in there if path.exists())


if __name__ == '__main__':
  main()
