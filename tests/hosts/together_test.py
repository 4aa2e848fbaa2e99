import itertools
import json
import subprocess
import threading

import jax
import numpy as np
import pytest

from vae_jax import hosts
from vae_jax.hosts import joined, service, store, together


@pytest.fixture
def meeting(monkeypatch):
  """A function (f, n) -> what f gives in each of n hosts, as threads, which
  have a store in common; errors among it."""
  said, here = {}, threading.local()
  arrived = threading.Condition()

  def put(key, value):
    with arrived:
      said[key] = json.loads(json.dumps(value))
      arrived.notify_all()

  def wait_for(key):
    with arrived:
      assert arrived.wait_for(lambda: key in said, timeout=10)
      return said[key]

  class Count:
    def __next__(self):
      return next(here.count)

  monkeypatch.setattr(store, 'put', put)
  monkeypatch.setattr(store, 'wait_for', wait_for)
  monkeypatch.setattr(together, '_said', Count())
  monkeypatch.setattr(together, 'several', lambda: True)
  monkeypatch.setattr(together, 'index', lambda: here.index)

  def meeting(f, n=3):
    monkeypatch.setattr(together, 'count', lambda: n)
    found = [None] * n
    said.clear()

    def host(i):
      here.index, here.count = i, itertools.count()
      try:
        found[i] = f(i)
      except Exception as error:
        found[i] = error

    threads = [threading.Thread(target=host, args=(i,)) for i in range(n)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    return found

  return meeting


def test_host_0_tells_the_others_what_it_has_read(meeting):
  def f(i):
    return together.told([i, (1, 2)]), together.told(f'{i} again')

  assert meeting(f) == [([0, [1, 2]], '0 again')] * 3


def test_hosts_that_differ_are_refused_with_the_difference(meeting):
  def f(i):
    facts = {'--beta': ['4'], 'jax': '1.0'}
    together.agree('command', facts | ({'jax': '1.1'} if i == 2 else {}))

  line = "hosts differ in command: jax is '1.1' on host 2 and '1.0' on host 0"
  assert [str(error) for error in meeting(f)] == [line] * 3
  assert meeting(lambda i: together.agree('data', {'a': [1, 2]})) == [None] * 3


def test_all_hear_what_every_host_says(meeting):
  assert meeting(lambda i: together.said_by_all(i * i)) == [[0, 1, 4]] * 3


def test_what_only_one_has_is_a_difference(meeting):
  def f(i):
    together.agree('command', {'--beta': ['4']} if i else {})

  assert "--beta is ['4'] on host 1 and None on host 0" in str(meeting(f)[0])


def test_a_name_without_an_address_is_noticed(monkeypatch):
  monkeypatch.setattr(joined.socket, 'gethostname', lambda: 'localhost')
  assert joined.named()
  monkeypatch.setattr(joined.socket, 'gethostname', lambda: 'no.such.invalid')
  assert not joined.named()


def test_one_process_alone_waits_for_nobody():
  tree = {'x': np.arange(3), 'key': jax.random.key_data(jax.random.key(0))}
  assert not hosts.several() and hosts.first()
  assert (hosts.count(), hosts.index()) == (1, 0)
  assert hosts.told((1, 2)) == (1, 2) and hosts.said_by_all(4) == [4]
  assert hosts.agree('data', {}) is None and hosts.finish(3) == 3
  assert hosts.given(tree) is tree and hosts.gathered(tree) is tree
  assert isinstance(hosts.fetched(tree)['key'], np.ndarray)
  assert not hosts.lies_in_parts(tree['key'])


@pytest.mark.parametrize(
  ('environment', 'devices'),
  [
    ({}, None),
    ({'CUDA_VISIBLE_DEVICES': '0,1,2,3'}, None),
    ({'SLURM_LOCALID': '1'}, None),
    (
      {'CUDA_VISIBLE_DEVICES': '0,1,2,3', 'SLURM_LOCALID': '0'},
      [0, 1, 2, 3],
    ),
    (
      {
        'CUDA_VISIBLE_DEVICES': '0,1,2,3',
        'SLURM_LOCALID': '1',
        'SLURM_STEP_TASKS_PER_NODE': '2(x4)',
      },
      [2, 3],
    ),
    (
      {
        'CUDA_VISIBLE_DEVICES': '0',
        'SLURM_LOCALID': '3',
        'SLURM_STEP_TASKS_PER_NODE': '4',
      },
      [0],
    ),
    (
      {
        'CUDA_VISIBLE_DEVICES': '0,1,2,3',
        'SLURM_LOCALID': '1',
        'SLURM_STEP_TASKS_PER_NODE': '2',
        'SLURM_GPUS_ON_NODE': '8',
      },
      [0, 1, 2, 3],
    ),
  ],
)
def test_a_task_takes_its_share_of_the_gpus_of_its_node(environment, devices):
  assert joined.own_devices(environment) == devices


@pytest.mark.slow
def test_the_server_ends_with_host_0_which_is_done():
  server = service.Server('127.0.0.1:0', 1)
  server.shutdown()
  with pytest.raises(subprocess.TimeoutExpired):  # or it would abort host 0
    server.process.wait(timeout=0.5)
  server.process.stdin.close()  # as where host 0 ends
  assert server.process.wait(timeout=20) == 0
  server.process.stdout.close()
