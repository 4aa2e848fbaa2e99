"""Every file of a run directory."""

import json
import math
import os
import pathlib


def read(run_dir) -> dict:
  """results.json of a run that has ended, {} of one that has not."""
  path = pathlib.Path(run_dir) / 'results.json'
  return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: pathlib.Path, value):
  """Writes strict JSON atomically, null for what is not finite."""
  temporary = path.with_name(f'.{path.name}.tmp')
  text = json.dumps(finite(value), indent=2, allow_nan=False)
  temporary.write_text(text + '\n')
  os.replace(temporary, path)


def finite(value):
  """value with None for every float in it that is not finite."""
  if isinstance(value, dict):
    return {k: finite(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [finite(v) for v in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
