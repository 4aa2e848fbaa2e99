import pytest

from vae_jax.runs import machine
from vae_jax.runs.directory import Refused

NONE = dict.fromkeys(machine.SEVERAL) | {'distributed': False}


@pytest.mark.parametrize(
  ('flags', 'mode', 'words'),
  [
    ({'num_processes': '2'}, 'train', 'num_processes goes with --distributed'),
    ({'patience': '2'}, 'train', '--patience goes with --distributed'),
    ({'distributed': True}, 'embed', '--mode=embed needs one process'),
    (
      {'distributed': True, 'num_processes': 'two'},
      'train',
      "num_processes must be from 1 to 1048576, not 'two'",
    ),
    (
      {'distributed': True, 'num_processes': '2', 'process_id': '2'},
      'train',
      "process_id must be from 0 to 1, not '2'",
    ),
    (
      {'distributed': True, 'patience': '-1'},
      'train',
      "patience must be from 1 to 1000000, not '-1'",
    ),
    (
      {'distributed': True, 'coordinator_address': 'here'},
      'train',
      "coordinator_address must be HOST:PORT, not 'here'",
    ),
  ],
)
def test_flags_of_several_processes_that_cannot_be(flags, mode, words):
  with pytest.raises(Refused, match=words):
    machine.join({**NONE, 'mode': mode, **flags})


def test_one_of_several_tasks_of_slurm_is_refused(capsys):
  machine.alone({})
  machine.alone({'SLURM_NTASKS': '1', 'SLURM_STEP_ID': '0'})
  assert capsys.readouterr().err == ''
  machine.alone({'SLURM_NTASKS': '4'})
  assert capsys.readouterr().err.startswith('note: of 4 tasks of SLURM')
  with pytest.raises(Refused, match='one of 4 tasks of SLURM.*--distributed'):
    machine.alone({'SLURM_NTASKS': '4', 'SLURM_STEP_ID': '0'})


def test_hosts_may_differ_in_what_is_each_ones_own():
  flags = {'beta': '4', 'set': ['a=1'], 'process_id': '3', 'data_dir': '/x'}
  nothing = {'arms': None, 'input': [], 'list': False}
  found = machine.command(flags | nothing)
  assert found == {'--beta': '4', '--set': ['a=1']}
