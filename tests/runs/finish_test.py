import dataclasses
import json

import jax
import pytest

from vae_jax import training
from vae_jax.factors import views
from vae_jax.measures import baselines, per_example, pooled, rivals
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims
from vae_jax.runs import finish
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import OneRun


@pytest.fixture
def trained(tiny, tiny_data):
  """An untrained denoiser with its test measures."""
  ex = dataclasses.replace(
    tiny,
    view=views.noisy,
    measures=(per_example.quality,),
    baselines=(baselines.noisy_input, baselines.mean_image),
    report=claims.beats_baselines,
  )
  hyper = ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, tiny_data['train'])
  measure = pooled.means(ex, ex.measures, OneRun(jax.local_devices()[:1]))
  [results] = measure(tiny_data['test'], hyper, state)
  return Trained(ex, tiny_data, hyper, state, [], results)


def test_the_summary_shows_measures_beside_the_rivals(trained, tmp_path):
  trained = rivals.with_baselines(trained.told(trained.results | {'step': 0}))
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
