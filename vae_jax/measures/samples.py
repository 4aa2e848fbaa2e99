"""How good a set of samples is, from features of them and of real images.

Features are host arrays [N, F] of a classifier trained beside the models, its
arm of the same experiment; all but nearest_distance are blind to pixels.
"""

import numpy as np

from vae_jax import data
from vae_jax.measures.trained import Trained

REAL, BLURRED, MEAN = 'real images', 'blurred images', 'mean image'
SAMPLES = 'samples'
NORMAL, FITTED = 'codes N(0, I)', 'codes of a fitted normal'


def judged(trained: Trained, count: int = 1000, shown: int = 10) -> dict:
  """all_measures of at most `count` samples of the model, and of images that
  were never generated, by the classifier among the models; {} without one.
  Arrays of some of each."""
  judge = judge_of(trained)
  if judge is None:
    return {}
  sets = references(judge, count) | samples(trained, count)

  def looked_at(images):
    return (images, *class_features(judge, images))

  real = looked_at(judge.examples('train', count).seen)
  found = {
    name: all_measures(real, looked_at(images), count)
    for name, images in sets.items()
  }
  some = {
    f'{name}, shown': images[data.spread(len(images), shown)]
    for name, images in sets.items()
  }
  return {'measures': found} | some


def references(judge: Trained, count: int) -> dict:
  """Unseen images, the floor; the same blurred, and the mean of all."""
  from scipy.ndimage import gaussian_filter

  real = judge.examples('test', count).seen
  mean = judge.examples('train', 10 * count).seen.mean(0)
  return {
    REAL: real,
    BLURRED: gaussian_filter(real, (0, 0.75, 0.75, 0)),
    MEAN: np.broadcast_to(mean, real.shape),
  }


def samples(trained: Trained, count: int) -> dict:
  """Name -> as many images as there are unseen ones: draws from the prior, or
  for a model without one two ways to draw its codes."""
  count, seed = min(count, trained.data['test'].size), trained.ex.seed
  if trained.model.q_factor.density:
    return {SAMPLES: trained.generate(count, seed)}
  codes = trained.encode(trained.examples('train', 10 * count).seen)
  z = np.random.default_rng(seed).normal(size=(count, codes.shape[1]))
  # The root of a covariance that may be singular.
  values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes.T)))
  root = vectors * np.sqrt(np.maximum(values, 0))
  fitted = codes.mean(0) + z @ root.T
  return {
    NORMAL: trained.decode(z.astype(np.float32)),
    FITTED: trained.decode(fitted.astype(np.float32)),
  }


def class_features(classifier: Trained, images_NHWC):
  """(features [N, F], probabilities [N, Y]) by a trained classifier."""
  features_NF = classifier.encode(images_NHWC)
  probability = classifier.decode(features_NF)
  return features_NF, probability.reshape(len(features_NF), -1)


def judge_of(trained: Trained) -> Trained | None:
  """The classifier among the models, the one of this seed if there are
  several; None without any."""
  judges = [one for one in trained.among if one.arm == 'classifier']
  same = [judge for judge in judges if judge.ex.seed == trained.ex.seed]
  return (same or judges or [None])[0]


def all_measures(real, fake, limit: int = 1000) -> dict[str, float]:
  """Every measure of `fake` against `real`, each (images, features,
  probabilities) of which at most `limit`, from all over, are looked at."""
  image_a, feature_a, _ = data.spread_rows(limit, *real)
  image_b, feature_b, probability_b = data.spread_rows(limit, *fake)
  precision, recall = precision_recall(feature_a, feature_b)
  density, coverage = density_coverage(feature_a, feature_b)
  return {
    'frechet_distance': frechet_distance(feature_a, feature_b),
    'class_entropy_nats': class_entropy(probability_b),
    'precision': precision,
    'recall': recall,
    'density': density,
    'coverage': coverage,
    'nearest_distance': nearest_distance(image_a, image_b),
  }


def frechet_distance(a_NF, b_MF) -> float:
  """Squared Frechet distance of the normals fitted to two sets of features
  (Dowson & Landau 1982; on Inception features, the FID of Heusel et al.
  2017)."""
  a_NF, b_MF = np.asarray(a_NF, np.float64), np.asarray(b_MF, np.float64)
  cov_a, cov_b = (np.atleast_2d(np.cov(x.T, ddof=0)) for x in (a_NF, b_MF))
  values, vectors = np.linalg.eigh(cov_a)
  root_a = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
  # tr sqrt(cov_a cov_b), by a symmetric matrix with the same eigenvalues: few
  # samples make both singular, where a general square root is not to be had.
  values = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
  shared = np.sqrt(np.maximum(values, 0)).sum()
  means = ((a_NF.mean(0) - b_MF.mean(0)) ** 2).sum()
  distance = means + np.trace(cov_a) + np.trace(cov_b) - 2 * shared
  return float(max(distance, 0.0))


def class_entropy(probability_NY) -> float:
  """Entropy of the predicted classes of a set, in nats: log Y where all are
  equally frequent, 0 where there is one."""
  chosen = np.argmax(probability_NY, -1)
  share = np.bincount(chosen) / len(chosen)
  share = share[share > 0]
  return float(max(0.0, -(share * np.log(share)).sum()))


def precision_recall(real_NF, fake_MF, k: int = 3) -> tuple[float, float]:
  """(share of fakes within the real manifold, of reals within the fakes'): a
  manifold is the balls out to each one's k-th neighbour (Kynkaanniemi et al.
  2019)."""
  between_NM = distances(real_NF, fake_MF)
  in_real_NM = between_NM <= radii(real_NF, k)[:, None]
  in_fake_NM = between_NM <= radii(fake_MF, k)[None, :]
  return float(in_real_NM.any(0).mean()), float(in_fake_NM.any(1).mean())


def density_coverage(real_NF, fake_MF, k: int = 5) -> tuple[float, float]:
  """(mean number of real balls around a fake, over k; share of real balls with
  a fake in them) (Naeem et al. 2020)."""
  inside_NM = distances(real_NF, fake_MF) <= radii(real_NF, k)[:, None]
  density = inside_NM.sum(0).mean() / k
  return float(density), float(inside_NM.any(1).mean())


def nearest_distance(real_NHWC, fake_MHWC) -> float:
  """Mean distance, over pixels, of a fake to its nearest real image. It says
  nothing of variety, and rewards blur: the mean of several images is nearer
  to each than they are to each other."""
  return float(distances(real_NHWC, fake_MHWC).min(0).mean())


def distances(a_N, b_M):
  """Euclidean distances between rows, of any shape: [N, M]."""
  from scipy.spatial.distance import cdist

  a_NF, b_MF = (np.reshape(x, (len(x), -1)) for x in (a_N, b_M))
  return cdist(a_NF, b_MF)


def radii(x_NF, k: int):
  """The distance of each to its k-th nearest other, or the farthest if there
  are fewer: [N]."""
  # The nearest of all is the point itself.
  k = min(k, len(x_NF) - 1)
  return np.partition(distances(x_NF, x_NF), k, 1)[:, k]
