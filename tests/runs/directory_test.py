import json

import pytest

from vae_jax.runs import directory


def test_json_stays_strict_where_a_figure_is_not_finite(tmp_path):
  path = tmp_path / 'results.json'
  nan, infinite = float('nan'), float('inf')
  directory.write_json(path, {'a': 1.5, 'b': {'c': nan}, 'd': [infinite, 2]})
  found = json.loads(path.read_text(), parse_constant=pytest.fail)
  assert found == {'a': 1.5, 'b': {'c': None}, 'd': [None, 2]}
