import dataclasses
import json

import pytest

from vae_jax.measures import rivals
from vae_jax.reports import claims
from vae_jax.runs import finish
from vae_jax.runs.prepare import Clock


@pytest.fixture
def trained(denoiser):
  return denoiser


def test_the_summary_shows_measures_beside_the_rivals(trained, tmp_path):
  trained = rivals.with_baselines(trained)
  report = claims.Report(verdicts=['beats nothing'])
  rest = {}, report, ['a.png'], {'train': 2}
  text = finish.Outcome('tiny', tmp_path, {'': trained}, *rest).summary()
  for wanted in ('noisy input', 'psnr_db', 'verdict: beats nothing', 'a.png'):
    assert wanted in text
  assert 'train 2.0 s' in text


def test_what_was_measured_is_written_even_if_a_picture_fails(
  trained, tmp_path
):
  def fails(trained):
    raise RuntimeError('no paper')

  ex = dataclasses.replace(trained.ex, pictures=(fails,))
  with pytest.raises(RuntimeError):
    failing = dataclasses.replace(trained, ex=ex)
    finish.finish_run(failing, tmp_path, Clock())
  assert 'psnr_db' in json.loads((tmp_path / 'results.json').read_text())
