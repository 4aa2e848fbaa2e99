"""What a model is a product of; each factor is a pure function or a value.

  hyper        the numbers that a sweep may vary without compiling again
  views        what is seen, wanted and given: (batch, key_B, hyper) -> Example
  likelihoods  p(x given z): () -> Likelihood(log_prob, mean, sample, ...)
  priors       p(z): (latents) -> Prior(init, bind), p with log_prob and sample
  posteriors   q(z given x): (z_mean, z_log_sigma, z_mask) -> q with mean,
               sample and log_prob; its `heads` are the encoder's outputs
  divergences  KL(q || p), closed where a pair has one
  model        the factors bound to the shapes of examples
  objectives   what is minimised:
               (model, params, example, key_B, hyper) -> (loss, metrics)

`key_B` holds a key per example, made from its position in the global batch;
log_prob is per example and in nats, [B], summed over all other axes; z is
[B, Z]. Networks, the factor that computes, have a folder of their own.
"""
