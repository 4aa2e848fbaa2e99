"""Proves that everything runs on an accelerator, and measures what it costs.

  python -m tests.accelerator --out=DIR
  python -m tests.accelerator --out=DIR --part=small_step,members
  python -m tests.accelerator --out=DIR --small          tries it out on a CPU

A program, not a test: for a machine with one GPU or TPU, otherwise idle, about
8 minutes (`--minutes`). It needs requirements.txt and a jax for the machine;
what a part lacks (PyTorch, a dataset) is named and the part left out. Writes
accelerator.json, accelerator.md and accelerator.png.

Every part is a process of its own, and a row that fails or a part that crashes
or takes too long is told and the rest goes on:

{parts}

For a bare machine without a network or tensorflow-datasets, take binarised
MNIST along as one file, made where it is prepared:

  python -m tests.accelerator.goal --data_dir=DIR --to=binarized_mnist.npz
  python -m tests.accelerator --out=DIR --dataset=npz:binarized_mnist.npz
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

from tests.accelerator import page
from tests.accelerator.parts import (
  MINUTES,
  PARTS,
  SPARE_S,
  Flags,
  Process,
  child,
  described,
)


def main():
  text = __doc__.format(parts=described())
  parser = argparse.ArgumentParser(
    description=text, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--out', type=pathlib.Path, help='where to write')
  parser.add_argument('--part', default=','.join(PARTS), help='only these')
  parser.add_argument('--small', action='store_true', help='tiny nets, any CPU')
  parser.add_argument('--minutes', type=float, default=MINUTES, help='at most')
  parser.add_argument('--data_dir', help='where binarized_mnist is prepared')
  parser.add_argument(
    '--dataset', default='binarized_mnist', help='or npz:PATH'
  )
  parser.add_argument('--child', help=argparse.SUPPRESS)
  given = parser.parse_args()
  flags = Flags(given.small, given.data_dir, given.dataset, given.minutes)
  if given.child:
    return child(given.child, flags)
  if given.out is None:
    parser.error('--out=DIR says where the results go')
  names = list(dict.fromkeys(given.part.split(',')))
  if unknown := [name for name in names if name not in PARTS]:
    there = ', '.join(PARTS)
    parser.error(f'no part {", ".join(unknown)}: there are {there}')
  return measured(names, flags, given.out)


def measured(names, flags, out) -> int:
  """Runs the parts and writes what they found: 0, or 1 if any row failed."""
  out.mkdir(parents=True, exist_ok=True)
  until = time.monotonic() + 60 * flags.minutes - SPARE_S
  with tempfile.TemporaryDirectory() as scratch:
    where = pathlib.Path(scratch)
    device = Process('device', '', flags, where, until).rows()
    machine = device.get('machine', {})
    print(json.dumps(machine or device), flush=True)
    if machine.get('platform') in (None, 'cpu') and not flags.small:
      line = 'no accelerator: JAX finds {} here; --small tries it out on a CPU'
      print(line.format(machine.get('kind', 'no device')), file=sys.stderr)
      return 2
    found = {'machine': machine, 'small': flags.small, 'parts': {}}
    for name, variants in page.found(names, flags, where, until):
      found['parts'][name] = variants
      print(page.section(name, found), flush=True, end='\n\n')
      # After every part: what is there is there.
      page.write(found, out)
  failed = page.failures(found)
  for line in failed:
    print(line, file=sys.stderr)
  print(f'wrote: {out}/accelerator.json, .md, .png')
  return int(bool(failed))


if __name__ == '__main__':
  sys.exit(main())
