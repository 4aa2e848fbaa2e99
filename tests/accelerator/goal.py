"""from start to a test -ELBO of 104 nats on binarised MNIST

With --to=FILE.npz it writes that set as one file for a bare machine:

  python -m tests.accelerator.goal --data_dir=DIR --to=binarized_mnist.npz
"""

import argparse
import os
import time

import jax
import numpy as np

from tests.accelerator import nets
from tests.accelerator.parts import STARTED_AT, Missing
from vae_jax import data
from vae_jax.config import grid
from vae_jax.measures import pooled
from vae_jax.runs import plan, throughput
from vae_jax.runs.prepare import Clock

NATS = 104.0
STEPS = 20_000  # flax's example needs some 3,500


def rows(flags):
  """One row: the seconds, with and without what is compiled."""
  yield 'binarised MNIST', lambda: reached(flags)


def reached(flags) -> dict:
  """Seconds until the test split's -ELBO is at NATS, tested every 391 steps;
  Missing if the set is not there, LookupError if it was never reached."""
  name = 'digits' if flags.small else flags.dataset
  before = time.time() - float(os.environ.get(STARTED_AT, time.time()))
  clock = Clock(time.perf_counter() - before)
  goal = 400.0 if flags.small else NATS
  k = 20 if flags.small else 391
  ex = nets.mlp(flags.small, dataset=name, steps_per_call=k)
  try:
    [job] = plan.jobs([grid.alone(ex)], flags.data_dir, clock)
  except data.DataError as error:
    raise Missing(f'{error} (--data_dir or --dataset says where)') from None
  with clock('compile'):
    measure = pooled.means(ex, ex.measured()[:1], job.layout)
  with throughput.begun(job, clock) as run:
    test = jax.device_put(job.splits['test'], jax.local_devices()[0])
    with clock('compile'):
      measure(test, run.hyper, run.state)
    return until(
      goal, run, lambda state: measure(test, run.hyper, state), clock
    )


def until(goal: float, run, measure, clock) -> dict:
  """Trains until the measured -ELBO is at the goal."""
  step, k, nelbo = 0, run.job.ex.steps_per_call, np.inf
  while nelbo > goal and step < STEPS:
    with clock('train'):
      batch, index = run.examples(step, k)
      state, _ = run.call(batch, run.hyper, run.state, index)
      run = run._replace(state=jax.block_until_ready(state))
    with clock('evaluate'):
      nelbo = measure(run.state)[0]['nelbo_nats']
    step += k
  if nelbo > goal:
    raise LookupError(f'-ELBO {nelbo:.1f} after {step} steps')
  parts = {f'{part}_s': spent for part, spent in clock.seconds.items()}
  learned = clock.seconds['train'] + clock.seconds['evaluate']
  whole = {'all_s': clock.wall(), 'without_compile_s': learned}
  return {'steps': step, 'nelbo_nats': float(nelbo)} | whole | parts


def main():
  """Writes the set as one file."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--data_dir', required=True)
  parser.add_argument('--dataset', default='binarized_mnist')
  parser.add_argument('--to', required=True)
  given = parser.parse_args()
  splits = data.load(given.dataset, given.data_dir)
  train, test = [np.asarray(splits[s].x) for s in ('train', 'test')]
  shape = splits['train'].shape
  arrays = {'x': train.reshape(-1, *shape), 'x_test': test.reshape(-1, *shape)}
  np.savez_compressed(given.to, **arrays)
  print(f'wrote: {given.to}')


if __name__ == '__main__':
  main()
