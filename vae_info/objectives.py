"""The three quantities of the paper: distributions in, nats per image out.

    rate              R = E log p(z|x) / m(z)    an upper bound on I(X;Z)
    distortion        D = -E log d(x|z)          H(X) - D <= I(X;Z)
    label distortion  C = -E log c(y|z)          H(Y) - C <= I(Z;Y)

The first three functions return the term inside the expectation, one number for
each code: shape `[..., B]`. A distortion is summed over pixels. No term needs a
closed form, so any encoder and any marginal will do.

#### References

[1]: Emily Fertig, Aryan Arbabi and Alexander Alemi. beta-VAEs can retain label
     information even at high compression. _NeurIPS workshop on Bayesian Deep
     Learning_, 2018.
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def rate(
  codes: tf.Tensor, encoding: tfd.Distribution, marginal: tfd.Distribution
) -> tf.Tensor:
  """log p(z|x) - log m(z), nats, shape `[..., B]` ([1], eq. 3).

  Args:
    codes: `[..., B, L]`, drawn from `encoding`.
    encoding: p(z|x), batch `[B]`, event `[L]`.
    marginal: m(z), batch `[]`, event `[L]`.
  """
  return encoding.log_prob(codes) - marginal.log_prob(codes)


def distortion(images: tf.Tensor, likelihood: tfd.Distribution) -> tf.Tensor:
  """-log d(x|z), nats, shape `[..., B]` ([1], eq. 2).

  Args:
    images: `[B, H, W, C]`, 0 and 1, or 0 to 255.
    likelihood: d(x|z), batch `[..., B]`, event `[H, W, C]`.
  """
  return -likelihood.log_prob(images)


def label_distortion(
  labels: tf.Tensor, class_distribution: tfd.Distribution
) -> tf.Tensor:
  """-log c(y|z), nats, shape `[..., B]` ([1], eq. 4).

  Args:
    labels: Integers `[B]`.
    class_distribution: c(y|z), batch `[..., B]`, event `[]`.
  """
  return -class_distribution.log_prob(labels)


def rate_and_distortion(
  model,
  images: tf.Tensor,
  encoding: tfd.Distribution,
  codes: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Rates and distortions of images, for codes that were drawn.

  Args:
    model: Has `decoder(codes)` and `marginal()`.
    images: `[B, H, W, C]`, 0 and 1, or 0 to 255.
    encoding: p(z|x) of the images, batch `[B]`, event `[L]`.
    codes: `[..., B, L]`, the very tensor that `encoding` sampled: a flow then
      finds their inverse in its cache.

  Returns:
    (rates, distortions), nats, `[..., B]` each.
  """
  rates = rate(codes, encoding, model.marginal())
  return rates, distortion(images, model.decoder(codes))


def enumerated_rate_and_distortion(
  encoding: tfd.Distribution,
  marginal: tfd.Distribution,
  log_likelihoods: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Rates and distortions of images, as sums over all classes of a code.

  They are the means of `rate_and_distortion` over codes drawn from `encoding`.

  Args:
    encoding: p(k|x), a `tfd.OneHotCategorical` of batch `[B]`, event `[K]`.
    marginal: m(k), batch `[]` or `[B]`, event `[K]`.
    log_likelihoods: ln d(x|k) of the images, nats, `[B, K]`.

  Returns:
    (rates, distortions), nats, `[B]` each.
  """
  log_probs = _log_probs_of_classes(encoding)
  probs = tf.exp(log_probs)
  log_ratios = log_probs - _log_probs_of_classes(marginal)
  rates = tf.reduce_sum(probs * log_ratios, axis=-1)
  return rates, -tf.reduce_sum(probs * log_likelihoods, axis=-1)


def _log_probs_of_classes(distribution):
  """ln of the probability of each one-hot code, `[..., K]`."""
  if isinstance(distribution, tfd.OneHotCategorical):
    return tf.nn.log_softmax(distribution.logits_parameter())
  classes = distribution.event_shape[0]
  codes = tf.eye(classes)
  for _ in distribution.batch_shape:
    codes = codes[:, None]
  log_probs = distribution.log_prob(codes)  # Classes come first.
  return tf.transpose(log_probs)


def loss(
  rates: tf.Tensor,
  distortions: tf.Tensor,
  beta: tf.Tensor | float,
  weights: tf.Tensor | None = None,
) -> tf.Tensor:
  """mean(D) + beta mean(R), nats per image, a scalar ([1], section 2).

  With weights it is mean(weights (D + beta R)).

  Args:
    rates: `[..., B]`.
    distortions: `[..., B]`.
    beta: A scalar; with weights, `[B]`, a beta for each image.
    weights: None, or `[B]`, if each image has a beta of its own.
  """
  if weights is None:
    return tf.reduce_mean(distortions) + beta * tf.reduce_mean(rates)
  return tf.reduce_mean(weights * (distortions + beta * rates))
