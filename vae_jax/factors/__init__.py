"""What a model is a product of; each factor is a pure function or a value.

  hyper        the numbers that a sweep may vary without compiling again
  views        what is seen, wanted and given: (batch, key_B) -> Example
  likelihoods  p(x given z): () -> Likelihood(log_prob, mean, sample, ...)
  priors       p(z): (latents) -> Prior(init, bind, maskable);
               bind(model, params, given) -> p with log_prob and sample
  posteriors   q(z given x): (latents) -> Posterior(heads, bind, init, ...);
               bind(model, params, stats, given) -> q with sample, log_prob
  divergences  KL(q || p), closed where a pair has one
  model        the factors bound to the shapes of examples: infer, decode,
               generate, log_weight
  objectives   what is minimised, a measure with a loss:
               (model, params, example, key_B) -> {'loss': [B], ...: [B]}
  schedules    leaves that change over a run: (step) -> a factor

A float argument of a view, objective, posterior or prior is a leaf: a number
that a sweep varies without compiling again, and that a schedule may move.

`key_B` holds a key per example, made from its position in the global batch;
log_prob is per example and in nats, [B], summed over all other axes; z is
[B, Z]. Networks, the factor that computes, have a folder of their own.
"""
