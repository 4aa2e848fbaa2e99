import dataclasses
import json

import numpy as np
import pytest

from vae_jax import config
from vae_jax.config import grid
from vae_jax.runs import directory, settings

EXAMPLE = {
  'shape': [6, 5, 1],
  'scale': 255.0,
  'classes': [],
  'labelled': False,
  'numbers': False,
}


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
  assert settings.config_of(tmp_path) is None
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(
    directory.Refused, match='not a config of ours.*in another --workdir'
  ):
    settings.config_of(tmp_path)


def test_a_grid_names_its_runs_where_one_was_expected(tmp_path):
  members = [grid.Member(f'seed={i}', None, [], '', '') for i in range(7)]
  settings.write_grid_config(tmp_path, 'vae', members, ['seed=0,1'])
  config = settings.config_of(tmp_path)
  said = settings.choose_a_run(tmp_path, config)
  assert said.endswith('seed=0, seed=1, seed=2, seed=3, seed=4 and 2 more')
  settings.refuse_other_grid(tmp_path, 'vae')
  with pytest.raises(directory.Refused, match="holds a grid of 'vae'"):
    settings.refuse_other_grid(tmp_path, 'denoise')


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(directory.Refused, match='file is not a directory'):
    directory.check_writable(tmp_path / 'file' / 'run', 'workdir')
  directory.check_writable(tmp_path / 'new' / 'run', 'workdir')


STUDIES = {
  'codes': {
    'points': np.arange(6.0).reshape(3, 2),
    'label': np.array([2, 0, 1], np.int32),
    'axes': ['one', 'other'],
  },
  'probe': {'accuracy': {10: [0.5, 0.75]}, 'level': (0.25, np.float64(2))},
  'images': {'images, shown': np.zeros((2, 4, 4, 1), np.float32)},
}


def same(found, wanted):
  """Whether both hold the same, arrays with their kind and shape."""
  assert found.keys() == wanted.keys()
  for name, value in wanted.items():
    if isinstance(value, dict):
      same(found[name], value)
    elif isinstance(value, np.ndarray):
      np.testing.assert_array_equal(found[name], value, strict=True)
    else:
      assert found[name] == value


def test_studies_come_back_as_they_were_numbers_as_json_has_them(tmp_path):
  figures = directory.write_studies(tmp_path, STUDIES)
  assert figures == {
    'codes': {'axes': ['one', 'other']},
    'probe': {'accuracy': {'10': [0.5, 0.75]}, 'level': [0.25, 2.0]},
    'images': {},
  }
  directory.write_json(tmp_path / 'results.json', {'studies': figures})
  read = directory.results_of(tmp_path)
  assert read['studies'] == figures
  wanted = STUDIES | {'probe': figures['probe']}
  same(directory.studies_of(tmp_path, read), wanted)
  same(read, {'studies': figures})  # nothing was written into it


def test_a_figure_that_is_not_finite_comes_back_as_none(tmp_path):
  figures = directory.write_studies(tmp_path, {'a': {'b': [float('nan'), 1]}})
  assert figures == {'a': {'b': [None, 1]}}


def test_a_run_without_arrays_leaves_no_file_and_removes_an_old_one(tmp_path):
  path = tmp_path / 'studies.npz'
  assert directory.write_studies(tmp_path, {}) == {}
  assert not path.exists()
  directory.write_studies(tmp_path, STUDIES)
  assert path.exists()
  figures = directory.write_studies(tmp_path, {'a': {'b': 1.5}})
  assert list(tmp_path.iterdir()) == []
  assert directory.studies_of(tmp_path, {'studies': figures}) == {
    'a': {'b': 1.5}
  }
  assert directory.studies_of(tmp_path, {}) == {}


def test_arrays_of_other_results_are_not_used(tmp_path):
  figures = directory.write_studies(tmp_path, STUDIES)
  assert directory.studies_of(tmp_path, {}) == {}
  some = {'studies': {'codes': figures['codes']}}
  assert set(directory.studies_of(tmp_path, some)) == {'codes'}


def test_arrays_that_cannot_be_written_leave_the_old_ones(
  tmp_path, monkeypatch
):
  figures = directory.write_studies(tmp_path, STUDIES)

  def killed(*args, **arrays):
    raise KeyboardInterrupt

  monkeypatch.setattr(np, 'savez_compressed', killed)
  with pytest.raises(KeyboardInterrupt):
    directory.write_studies(tmp_path, {'codes': {'points': np.zeros(2)}})
  wanted = STUDIES | {'probe': figures['probe']}
  same(directory.studies_of(tmp_path, {'studies': figures}), wanted)


def test_damaged_arrays_are_told_and_count_as_none(tmp_path, capsys):
  figures = directory.write_studies(tmp_path, STUDIES)
  path = tmp_path / 'studies.npz'
  whole = path.read_bytes()
  for i in range(0, len(whole), 7):
    path.write_bytes(whole[:i])
    assert directory.studies_of(tmp_path, {'studies': figures}) == {}
    told = capsys.readouterr().err
    assert told.count('studies.npz is damaged') == 1


def test_a_flipped_byte_of_the_arrays_is_told_or_does_not_matter(
  tmp_path, capsys
):
  figures = directory.write_studies(tmp_path, STUDIES)
  path = tmp_path / 'studies.npz'
  whole = path.read_bytes()
  wanted = directory.studies_of(tmp_path, {'studies': figures})
  # Up to the table of contents, of which a zip has no checksum.
  for i in range(whole.index(b'PK\x01\x02')):
    flipped = bytearray(whole)
    flipped[i] ^= 128
    path.write_bytes(flipped)
    found = directory.studies_of(tmp_path, {'studies': figures})
    told = 'studies.npz is damaged' in capsys.readouterr().err
    same(found, {} if told else wanted)


def test_latents_that_the_network_made_are_no_other_configuration(
  tiny, tmp_path
):
  free = dataclasses.replace(tiny, latents=None)
  fields = config.rendered(dataclasses.replace(tiny, latents=128))
  settings.refuse_other_run({'fields': fields}, free, 'run')
  with pytest.raises(directory.Refused, match='latents was 128, now 3'):
    settings.refuse_other_run({'fields': fields}, tiny, 'run')
  config_of = {'experiment': 'x', 'overrides': [], 'fields': fields}
  config_of |= {'example': EXAMPLE}
  directory.write_json(tmp_path / 'config.json', config_of)
  assert settings.as_trained(free, tmp_path).latents == 128
  assert settings.as_trained(tiny, tmp_path) == tiny
  assert settings.as_trained(free, tmp_path / 'none') == free
  slower = dataclasses.replace(free, learning_rate=0.5)
  with pytest.raises(directory.Refused, match='learning_rate'):
    settings.refuse_other_run({'fields': fields}, slower, 'run')
