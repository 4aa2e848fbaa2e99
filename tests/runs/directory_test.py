import json

import pytest

from vae_jax.config import grid
from vae_jax.runs import directory


def test_json_stays_strict_where_a_figure_is_not_finite(tmp_path):
  path = tmp_path / 'results.json'
  nan, infinite = float('nan'), float('inf')
  directory.write_json(path, {'a': 1.5, 'b': {'c': nan}, 'd': [infinite, 2]})
  found = json.loads(path.read_text(), parse_constant=pytest.fail)
  assert found == {'a': 1.5, 'b': {'c': None}, 'd': [None, 2]}


def test_damaged_results_are_told_and_count_as_none(tmp_path, capsys):
  path = tmp_path / 'results.json'
  assert directory.results_of(tmp_path) == {}
  results = {'step': 4, 'steps_per_s': 8.5, 'baselines': {'pca': {'mse': 0.5}}}
  directory.write_json(path, results)
  assert directory.results_of(tmp_path) == results
  whole = path.read_bytes()
  for i in range(len(whole)):
    flipped = bytearray(whole)
    flipped[i] ^= 128
    path.write_bytes(flipped)
    assert directory.results_of(tmp_path) == {}
    path.write_bytes(whole[: min(i, len(whole) - 2)])
    assert directory.results_of(tmp_path) == {}
  assert 'results.json is damaged' in capsys.readouterr().err


@pytest.mark.parametrize(
  'text',
  [
    '', '{', '[]', '3', '{"experiment": "vae"}',
    '{"experiment": 1, "overrides": [], "fields": {}, "example": {}}',
    '{"experiment": "vae", "overrides": [], "fields": [], "example": {}}',
  ],
)  # fmt: skip
def test_a_config_that_is_not_ours_is_refused(text, tmp_path):
  assert directory.config_of(tmp_path) is None
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(directory.Refused, match='is not a config of ours'):
    directory.config_of(tmp_path)


def test_a_grid_names_its_runs_where_one_was_expected(tmp_path):
  members = [grid.Member(f'seed={i}', None, [], '', '') for i in range(7)]
  directory.write_grid_config(tmp_path, 'vae', members, ['seed=0,1'])
  config = directory.config_of(tmp_path)
  said = directory.choose_a_run(tmp_path, config)
  assert said.endswith('seed=0, seed=1, seed=2, seed=3, seed=4 and 2 more')
  directory.refuse_other_grid(tmp_path, 'vae')
  with pytest.raises(directory.Refused, match="holds a grid of 'vae'"):
    directory.refuse_other_grid(tmp_path, 'denoise')


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(directory.Refused, match='file is not a directory'):
    directory.check_writable(tmp_path / 'file' / 'run', 'workdir')
  directory.check_writable(tmp_path / 'new' / 'run', 'workdir')
