"""Several hosts as processes of this machine: the same run whatever their
number, and none of them waits for one that is gone or stuck."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest

from vae_jax.hosts import joined

pytestmark = pytest.mark.skipif(
  not joined.named(),
  reason='the name of this machine has no address, which gloo needs',
)
HOST = pathlib.Path(__file__).with_name('host.py')
TINY = (
  '--experiment=vae', '--set=network.widths=(8,)', '--steps=60',
  '--steps_per_call=5', '--report_every=20', '--nll_images=20',
  '--nll_samples=10', '--set=pictures=()', '--set=baselines=()',
)  # fmt: skip
WITHIN_S = 60


def started(
  run_dir, flags=TINY, hosts=2, happens=None, patience=20, wires=None
):
  """The processes of so many hosts, `happens` is (rank, what)."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
  address, children = f'{wires.first if wires else "127.0.0.1"}:{port}', []
  for i in range(hosts):
    what = happens[1] if happens and happens[0] == i else 'nothing'
    command = ['ip', 'netns', 'exec', wires.names[i]] if wires else []
    command += [sys.executable, str(HOST), what, *flags]
    command += [f'--workdir={run_dir}']
    if hosts > 1:
      command += ['--distributed', f'--coordinator_address={address}']
      command += [f'--patience={patience}']
      command += [f'--num_processes={hosts}', f'--process_id={i}']
    count = f'--xla_force_host_platform_device_count={4 // hosts}'
    children.append(
      subprocess.Popen(
        command,
        env=os.environ | {'XLA_FLAGS': count},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  return children


def ended(children, but=None):
  """(code, stderr) of every process, None of the one `but`, which is killed."""
  found = []
  try:
    for i, child in enumerate(children):
      if i != but:
        _, err = child.communicate(timeout=WITHIN_S)
        found.append((child.returncode, err))
      else:
        found.append(None)
  finally:
    for child in children:
      child.kill()
      child.communicate()
  return found


def trained(run_dir, **options):
  for code, err in ended(started(run_dir, **options)):
    assert code == 0, err
  return results(run_dir)


def results(run_dir):
  found = json.loads((run_dir / 'results.json').read_text())
  timed = 'compile_s', 'wall_s', 'steps_per_s', 'images_per_s'
  return {k: v for k, v in found.items() if k not in timed}


def errors(err):
  return [line for line in err.splitlines() if line.startswith('error: ')]


def near(found, wanted):
  assert found.keys() == wanted.keys()
  for name, value in wanted.items():
    if isinstance(value, float):
      assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  """The results of one process with all devices."""
  return trained(tmp_path_factory.mktemp('alone') / 'run', hosts=1)


@pytest.mark.slow
def test_two_hosts_train_what_one_does_and_one_goes_on_with_it(alone, tmp_path):
  run_dir = tmp_path / 'run'
  flags = *TINY[:2], '--steps=30', *TINY[3:]
  for code, err in ended(started(run_dir, flags)):
    assert code == 0, err
  near(trained(run_dir, hosts=1), alone)


@pytest.mark.slow
def test_a_signal_of_one_host_stops_all_at_the_same_step(alone, tmp_path):
  run_dir, happens = tmp_path / 'run', (1, 'term:step:6')
  found = ended(started(run_dir, happens=happens))
  lines = [errors(err) for _, err in found]
  assert [code for code, _ in found] == [143, 143]
  assert lines[0] == lines[1] and 'SIGTERM at step' in lines[0][0]
  assert len(lines[0]) == 1
  near(trained(run_dir), alone)


@pytest.mark.slow
def test_no_host_waits_for_one_that_is_gone(tmp_path):
  began = time.monotonic()
  found = ended(started(tmp_path / 'run', happens=(1, 'kill:step:3')), but=1)
  assert time.monotonic() - began < WITHIN_S
  code, err = found[0]
  assert code == 1 and len(errors(err)) == 1, err
  assert 'host 1' in errors(err)[0] and 'gone' in errors(err)[0]


MANY = [
  (action, place, rank)
  for rank in (0, 1)
  for action, place in (
    *(('kill', 'data'), ('kill', 'compile'), ('kill', 'step')),
    *(('kill', 'test'), ('kill', 'save'), ('stop', 'step')),
    *(('stop', 'data'), ('raise', 'step'), ('raise', 'save')),
    *(('sleep', 'data'), ('sleep', 'step'), ('leave', 'step')),
    *(('term', 'compile'), ('term', 'step'), ('term', 'test')),
    ('term', 'save'),
  )
]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """The results of two hosts to which nothing happens."""
  return trained(tmp_path_factory.mktemp('whole') / 'run')


@pytest.mark.faults
@pytest.mark.parametrize(('action', 'place', 'rank'), MANY)
def test_every_host_ends_and_the_same_command_goes_on(
  action, place, rank, whole, tmp_path
):
  run_dir = tmp_path / 'run'
  times = {'step': 7, 'test': 2, 'save': 2}.get(place, 1)
  happens = rank, f'{action}:{place}:{times}'
  began = time.monotonic()
  found = ended(started(run_dir, happens=happens, patience=5), but=rank)
  assert time.monotonic() - began < WITHIN_S + 15  # to start
  code, err = found[1 - rank]
  assert code and len(errors(err)) == 1, err
  if action != 'term':
    assert f'host {rank}' in errors(err)[0]
  assert trained(run_dir) == whole


@pytest.mark.faults
@pytest.mark.parametrize('hosts', [2, 4])
@pytest.mark.parametrize('resident', ['always', 'never'])
def test_any_number_of_hosts_trains_the_same(hosts, resident, alone, tmp_path):
  flags = *TINY, f'--resident={resident}'
  near(trained(tmp_path / 'run', flags=flags, hosts=hosts), alone)


@pytest.mark.faults
def test_a_sweep_over_hosts_is_that_of_one(tmp_path):
  flags = *TINY, '--seed=0,1,2', '--latents=2,3'
  tables = []
  for hosts in (1, 2, 4):
    run_dir = tmp_path / str(hosts)
    for code, err in ended(started(run_dir, flags, hosts)):
      assert code == 0, err
    tables.append(
      {path.name: results(path) for path in sorted(run_dir.glob('latents=*'))}
    )
  alone, *others = tables
  assert len(alone) == 6
  for table in others:
    assert table.keys() == alone.keys()
    for name, found in table.items():
      near(found, alone[name])


class Wires:
  """Two network namespaces with a cable between them."""

  first = '10.77.0.1'

  def __init__(self):
    self.names = [f'vae{os.getpid()}{side}' for side in 'ab']
    a, b = self.names
    self.etc = [pathlib.Path('/etc/netns', name) for name in self.names]
    for i, name in enumerate(self.names):
      self.etc[i].mkdir(parents=True)
      line = f'127.0.0.1 localhost\n10.77.0.{i + 1} {socket.gethostname()}\n'
      (self.etc[i] / 'hosts').write_text(line)
      ip('netns', 'add', name)
    ip('link', 'add', 'cable', 'netns', a, 'type', 'veth', 'peer', 'cable',
       'netns', b)  # fmt: skip
    for i, name in enumerate(self.names):
      ip('-n', name, 'addr', 'add', f'10.77.0.{i + 1}/24', 'dev', 'cable')
      for device in ('lo', 'cable'):
        ip('-n', name, 'link', 'set', device, 'up')

  def cut(self):
    ip('-n', self.names[1], 'link', 'set', 'cable', 'down')

  def away(self):
    for name, etc in zip(self.names, self.etc, strict=True):
      subprocess.run(['ip', 'netns', 'del', name], check=False)
      shutil.rmtree(etc, ignore_errors=True)


def ip(*words):
  subprocess.run(['ip', *words], check=True, capture_output=True)


@pytest.fixture
def wires():
  """The Wires, where this machine lets us have them."""
  made = None
  try:
    made = Wires()
    yield made
  except (OSError, subprocess.CalledProcessError) as error:
    pytest.skip(f'no network namespaces here: {error}')
  finally:
    if made:
      made.away()


@pytest.mark.faults
def test_a_cut_cable_ends_both_sides(wires, tmp_path):
  flags = *TINY[:2], '--steps=100000', *TINY[3:]
  children = started(tmp_path / 'run', flags, wires=wires)
  log = tmp_path / 'run' / 'metrics.jsonl'
  while not (log.exists() and len(log.read_text().splitlines()) > 2):
    assert all(child.poll() is None for child in children)
    time.sleep(0.2)
  wires.cut()
  began = time.monotonic()
  found = ended(children)
  assert time.monotonic() - began < WITHIN_S
  for i, (code, err) in enumerate(found):
    assert code and len(errors(err)) == 1, err
    assert f'host {1 - i}' in errors(err)[0]
