"""Writes experiments/README.md: every experiment's verdicts from its results.

  python -m tests.experiments_page --workdir=runs/page --seed=0,1,2

Runs each by `python launch.py --experiment=NAME`, unless its directory below
`--workdir` holds the results already.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

import launch
from vae_jax.reports.claims import mean_and_error

# The picture of a run's or a grid's that stands for an experiment.
PICTURES = {
  'adversarial_autoencoder': 'critic',
  'bottleneck': 'noise',
  'classifier': 'curves',
  'conditional_vae': 'classes',
  'conv_vae': 'prior_samples',
  'denoise': 'unet_seed=0/denoised',
  'drums': 'reconstructed',
  'embedding': 'plane',
  'generate': 'samples',
  'groove': 'performed',
  'music': 'between',
  'music_hierarchical': 'drift',
  'multitrack': 'reconstructed',
  'trio': 'reconstructed',
  'sequence_autoencoder': 'reconstructed',
  'latent_noise': 'noisy_codes_vae',
  'losses': 'rate',
  'probe': 'probe',
  'sparse_autoencoder': 'activations',
  'super_resolution': '4x_residual_seed=0/enlarged',
  'transfer': 'psnr_digits',
  'vae': 'manifold',
}
MEASURES = {
  'nelbo_nats': '-ELBO (nats)',
  'nll_iw_nats': 'NLL (nats)',
  'psnr_db': 'PSNR (dB)',
  'nll_nats_per_pixel': 'nats per pixel',
}
HEAD = """# Experiments

Written by `python -m tests.experiments_page --seed={seeds}`, not by hand, from
the results of `python launch.py --experiment=NAME --seed={seeds}` on {device},
jax {jax}; +- is a standard error over the runs. Where a claim of the lesson did
not hold, the verdict says so. The docstring of each file has what it costs and
its figures on other data.

| | experiment and verdicts, on the test split |
|---|---|
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
      run(f'--experiment={name}', f'--seed={flags.seed}', folder)
    rows.append(row(name, line, folder))
  config = json.loads(next(folder.glob('*/config.json')).read_text())
  facts = {'device': config['devices'], 'jax': config['versions']['jax']}
  page = launch.ROOT / 'experiments' / 'README.md'
  text = HEAD.format(seeds=flags.seed, **facts) + '\n'.join(rows)
  page.write_text(text + '\n')


def run(*flags):
  """Carries out a command; the last flag is the directory."""
  command = [sys.executable, 'launch.py', *flags[:-1], f'--workdir={flags[-1]}']
  subprocess.run(command, check=True, cwd=launch.ROOT)


def row(name: str, line: str, folder: pathlib.Path) -> str:
  """The line of the table on one experiment; its picture is copied."""
  sweep = json.loads((folder / 'sweep.json').read_text())
  place = f'.github/pictures/{name}.png'
  shutil.copy(picture_in(folder, name), launch.ROOT / place)
  lines = [*measured(sweep['runs']), *sweep['verdicts']]
  verdicts = ''.join(f'<br>• {text}' for text in lines)
  text = f'**`{name}`** {line}{verdicts}'.replace('|', '\\|')
  return f'| <img src="../{place}" width="260"> | {text} |'


def measured(runs: list[dict]) -> list[str]:
  """A line for each measure of the page, with every arm that has it."""
  lines = []
  for measure, unit in MEASURES.items():
    by_arm = {}
    for one in runs:
      if measure in one['results']:
        by_arm.setdefault(one['arm'], []).append(one['results'][measure])
    arms = [f'{arm} {mean_and_error(by_arm[arm])}'.strip() for arm in by_arm]
    lines += [f'{unit}: {", ".join(arms)}'] if arms else []
  # How many runs is said above the table.
  return [re.sub(r' \(\d+ runs\)', '', line) for line in lines]


def picture_in(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The picture of the whole grid, of the run that is named with it, or of the
  first that has one; of many runs, each has to be asked for its own."""
  *where, title = PICTURES.get(name, 'reconstructions').split('/')
  file = pathlib.Path('pictures', f'{title}.png')
  if where and not (folder / where[0] / file).exists():
    run('--mode=evaluate', folder / where[0])
  places = (
    [folder / where[0]] if where else [folder, *sorted(folder.glob('*/'))]
  )
  return next(place / file for place in places if (place / file).exists())


if __name__ == '__main__':
  main()
