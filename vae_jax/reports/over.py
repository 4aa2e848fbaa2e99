"""How many latents are needed: a report on runs that differ in their number."""

import numpy as np

from vae_jax import figures
from vae_jax.config.grid import in_file_name
from vae_jax.console import counted
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import Report, joined, setting

NLL, NELBO = 'nll_iw_nats', 'nelbo_nats'


def report(runs: list[Run]) -> Report:
  """Curves over the number of latents and the smallest number that is enough,
  for each group of runs that differ in it; an empty report if none do."""
  return joined(
    *[
      of_group(label, group)
      for label, group in groups(runs).items()
      if len({run.ex.latents for run in group}) > 1
    ]
  )


def groups(runs: list[Run]) -> dict[str, list[Run]]:
  """Label -> runs that differ in their latents and seeds alone: only those are
  points of one curve, and repeats of each other."""
  by_setting = {}
  for run in runs:
    by_setting.setdefault((run.arm, setting(run, 'latents')), []).append(run)
  shared = set.intersection(*(set(changes) for _, changes in by_setting))
  return {
    ', '.join(
      filter(None, [arm, *(c for c in changes if c not in shared)])
    ): mine
    for (arm, changes), mine in by_setting.items()
  }


def of_group(label: str, runs: list[Run]) -> Report:
  """What the runs of one group say."""
  mark = f'_{in_file_name(label)}' if label else ''
  pictures = {
    f'over_latents{mark}': curves(runs),
    f'rate_distortion{mark}': rate_distortion(runs),
    f'kl_per_latent{mark}': kl_per_latent(runs),
  }
  answer = enough(runs)
  if not answer:
    return Report(pictures=pictures)
  line = (f'{label}: ' if label else '') + said(answer)
  return Report({f'latents{mark}': answer}, pictures, [line])


def by_latents(runs, value) -> dict:
  """{latents: the runs' values}, without runs that have none."""
  values = {}
  for run in sorted(runs, key=lambda run: run.ex.latents):
    if value(run) is not None:
      values.setdefault(run.ex.latents, []).append(value(run))
  return values


def measure(name: str, rival: str | None = None):
  """A function run -> this measure of it, or of its rival, or None."""

  def value(run):
    figures_of = run.results
    if rival:
      figures_of = figures_of.get('baselines', {}).get(rival, {})
    return figures_of.get(name)

  return value


def curves(runs):
  """Likelihood, PSNR and active units over the number of latents."""
  panels = {
    'nats per test image': {
      r'$-$ELBO': by_latents(runs, measure(NELBO)),
      'NLL, importance-sampled': by_latents(runs, measure(NLL)),
    },
    'PSNR (dB)': {
      'model': by_latents(runs, measure('psnr_db')),
      'PCA': by_latents(runs, measure('psnr_db', 'pca')),
    },
    'active units': {'model': by_latents(runs, measure('active_units'))},
  }
  if not any(panels['nats per test image'].values()):
    panels['nats per test image'] = {
      'reconstruction': by_latents(runs, measure('nll_nats'))
    }
  panels = {
    label: {name: line for name, line in panel.items() if line}
    for label, panel in panels.items()
  }
  panels = {label: panel for label, panel in panels.items() if panel}
  return figures.lines(panels, 'latents', title_of(runs)) if panels else None


def title_of(runs) -> str:
  """'digits, 3 seeds'."""
  seeds = len({run.ex.seed for run in runs})
  return f'{runs[0].ex.dataset}, {counted(seeds, "seed")}'


def rate_distortion(runs):
  """Reconstruction over the KL, a point for each number of latents."""
  kl, nll = (
    by_latents(runs, measure('kl_nats')),
    by_latents(runs, measure('nll_nats')),
  )
  if not kl or not nll:
    return None
  line = {float(np.mean(kl[d])): nll[d] for d in kl}
  sizes = ', '.join(map(str, kl))
  return figures.lines(
    {'reconstruction (nats)': {f'latents {sizes}': line}},
    'KL (nats)',
    f'Rate and distortion, {title_of(runs)}',
    log=None,
  )


def kl_per_latent(runs):
  """The KL of every latent, the largest first, for each number of latents."""
  name = 'kl_per_latent_nats'
  panel = {}
  for latents, lists in by_latents(runs, measure(name)).items():
    sorted_SZ = -np.sort(-np.asarray(lists), 1)
    panel[f'{latents} latents'] = {
      i + 1: sorted_SZ[:, i] for i in range(latents)
    }
  if not panel:
    return None
  return figures.lines(
    {'KL (nats per image)': panel},
    'latent, the most informative first',
    f'What each latent carries, {title_of(runs)}',
  )


def enough(runs) -> dict:
  """The smallest number of latents whose NLL is within one standard error of
  the best; {} where no likelihood was measured.

  The error is that of the best one's mean, over the seeds and the test images.
  """
  name = NLL if all(NLL in run.results for run in runs) else 'nll_nats'
  value_D = by_latents(runs, measure(name))
  if not value_D:
    return {}
  mean_D = {d: float(np.mean(values)) for d, values in value_D.items()}
  best = min(mean_D, key=mean_D.get)
  error = standard_error([r for r in runs if r.ex.latents == best], name)
  near = [d for d, mean in mean_D.items() if mean <= mean_D[best] + error]
  return {
    'enough': min(near),
    'best': best,
    'measure': name,
    'standard_error_nats': error,
    'nats': mean_D,
    'runs': min(map(len, value_D.values())),
  }


def standard_error(runs, name: str) -> float:
  """Of the runs' mean: over the runs and, where known, over the images."""
  values = [run.results[name] for run in runs]
  over_runs = np.std(values, ddof=1) / np.sqrt(len(values)) if values[1:] else 0
  images = [run.results.get('nll_iw_stderr_nats') or 0.0 for run in runs]
  return float(np.hypot(over_runs, np.mean(images) if name == NLL else 0.0))


def said(answer: dict) -> str:
  """The answer in one line."""
  nats, enough = answer['nats'], answer['enough']
  what = 'NLL' if answer['measure'] == NLL else 'reconstruction'
  here = f'{what} {nats[enough]:.1f} nats'
  error = f'one standard error ({answer["standard_error_nats"]:.2f})'
  tried = f'tried {", ".join(map(str, nats))}'
  tried += f'; {counted(answer["runs"], "run")} each'
  if enough == max(nats):
    return (
      f'at least {enough} latents are needed: {here}, and all smaller numbers '
      f'are more than {error} worse ({tried})'
    )
  return (
    f'{enough} latents are enough: {here}, within {error} of the best, '
    f'{nats[answer["best"]]:.1f} at {answer["best"]} ({tried})'
  )
