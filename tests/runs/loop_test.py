import dataclasses

from vae_jax.runs import loop


def test_the_default_reports_are_ten_at_whole_calls(tiny):
  ex = dataclasses.replace(tiny, report_every=None, steps_per_call=50)
  assert loop.next_report(ex, 1000, 0) == 100
  assert loop.next_report(ex, 1000, 100) == 200
  assert loop.next_report(ex, 400, 0) == 50
