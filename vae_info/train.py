"""Trains one beta-VAE in a run directory.

    python -m vae_info.train --beta=0.5 --decoder=autoregressive

The same command again resumes a run that was stopped, and leaves a finished
one alone. Next: `python -m vae_info.evaluate`.
"""

import dataclasses
import pathlib
import sys

from absl import app, flags

from vae_info import cli, config as configs
from vae_info.config import Config, UserError

FLAGS = flags.FLAGS

# Flags whose names and meanings are the config's.
CONFIG_FLAGS = tuple(field.name for field in dataclasses.fields(Config))


def define_flags() -> None:
  """Defines every flag of this command."""
  default = Config()
  custom = 'or package.module:ClassName for a class of your own'
  flags.DEFINE_string(
    'dataset',
    default.dataset,
    f'Data set to train on: {", ".join(configs.DATASETS)}.',
  )
  flags.DEFINE_string(
    'encoder',
    default.encoder,
    f'Encoder p(z|x): {", ".join(configs.ENCODERS)}, {custom}.',
  )
  flags.DEFINE_string(
    'decoder',
    default.decoder,
    f'Decoder d(x|z): {", ".join(configs.DECODERS)}, {custom}.',
  )
  flags.DEFINE_string(
    'marginal',
    default.marginal,
    f'Marginal m(z): {", ".join(configs.MARGINALS)}, {custom}.',
  )
  flags.DEFINE_enum(
    'architecture',
    default.architecture,
    configs.ARCHITECTURES,
    'Size of the networks: "compact" is made for a CPU, "paper" is that of '
    'Alemi et al. (2018).',
  )
  flags.DEFINE_integer(
    'latent_size', default.latent_size, 'Dimensions of the code.'
  )
  flags.DEFINE_float(
    'beta', default.beta, 'Weight of the rate: the loss is D + beta R, nats.'
  )
  flags.DEFINE_float(
    'kl_annealing_epochs',
    default.kl_annealing_epochs,
    'Epochs in which beta grows linearly from 0; 0 starts with beta itself.',
  )
  flags.DEFINE_float(
    'free_nats',
    default.free_nats,
    'Rate, in nats per image, below which nothing pushes the rate down.',
  )
  flags.DEFINE_float(
    'learning_rate',
    None,
    "Adam's largest learning rate. The default is "
    f'{configs.DEFAULT_LEARNING_RATES["compact"]} for the compact '
    f'architecture, {configs.DEFAULT_LEARNING_RATES["paper"]} for the paper '
    'one.',
  )
  flags.DEFINE_enum(
    'lr_schedule',
    default.lr_schedule,
    configs.LR_SCHEDULES,
    'How the learning rate falls: "cosine" to 0 after a short warm-up; '
    '"paper" is constant for the first half, then linear to 0.',
  )
  flags.DEFINE_integer(
    'batch_size', default.batch_size, 'Images in one step, over all devices.'
  )
  epochs = configs.DEFAULT_EPOCHS
  flags.DEFINE_float(
    'epochs',
    None,
    'Passes over the training images. The default is '
    f'{epochs["compact"]} for the compact architecture '
    f'({epochs["compact", "autoregressive"]} with the autoregressive decoder) '
    f'and {epochs["paper"]} for the paper one.',
  )
  flags.DEFINE_integer(
    'steps', None, 'Training steps, in place of --epochs; by default unset.'
  )
  flags.DEFINE_integer(
    'seed', default.seed, 'What every random draw follows from.'
  )
  flags.DEFINE_enum(
    'precision',
    default.precision,
    configs.PRECISIONS,
    'Number format of the networks; weights, log-probabilities and evaluation '
    'are float32 in any case.',
  )
  cli.define_runs_dir()
  cli.define_run(
    'Run directory, in place of RUNS_DIR/NAME with a name made from the '
    'config. Where it exists, flags that are not given are as it was begun.'
  )
  cli.define_data_flags()
  flags.DEFINE_enum(
    'strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'tpu'],
    'Devices, through tf.distribute: "auto" takes all GPUs if there are any, '
    'a TPU if --tpu is given, and otherwise the CPU.',
  )
  flags.DEFINE_string(
    'tpu', '', 'Name or address of a TPU; "local" for the one of this machine.'
  )
  flags.DEFINE_boolean(
    'jit_compile',
    False,
    'Compile the step with XLA. It helps GPUs; on CPUs convolutions become '
    'slower. TPUs always do.',
  )
  flags.DEFINE_integer(
    'steps_per_call',
    50,
    'Steps that the device makes on its own; stopping waits for their end.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'checkpoint_minutes',
    1.0,
    'Minutes between checkpoints; 0 writes one after every call.',
    lower_bound=0.0,
  )


def config_from_flags() -> tuple[Config, pathlib.Path]:
  """The config that the flags tell, and its run directory.

  Raises:
    UserError: A flag's value is out of its range, or `--run` has another
      config.
  """
  given = {
    name: FLAGS[name].value
    for name in CONFIG_FLAGS
    if FLAGS[name].present or FLAGS[name].value != FLAGS[name].default
  }
  if FLAGS.run is None:
    config = Config(**given)
    return config, pathlib.Path(FLAGS.runs_dir) / config.run_name
  run = pathlib.Path(FLAGS.run)
  if not (run / 'config.json').is_file():
    return Config(**given), run
  stored = Config.read(run / 'config.json')
  wanted = dataclasses.replace(stored, **given)
  differences = stored.differences(wanted)
  if differences:
    raise UserError(
      f'{run} holds a run with another config ({"; ".join(differences)}); '
      'name another directory, or leave those flags out'
    )
  return stored, run


def main(argv):
  cli.no_arguments(argv)
  config, run = config_from_flags()
  if (run / cli.FINISHED).is_file():
    print(f'{run} is finished; next: python -m vae_info.evaluate --run={run}')
    return
  print(f'run directory: {run}')
  # Only now: flags are checked, and importing TensorFlow takes seconds.
  cli.quiet_tensorflow()
  from vae_info import datasets, training

  dataset = datasets.load(config.dataset, FLAGS.data_dir)
  try:
    training.train(
      config,
      dataset,
      run,
      training.get_strategy(FLAGS.strategy, FLAGS.tpu),
      FLAGS.jit_compile,
      FLAGS.steps_per_call,
      FLAGS.checkpoint_minutes,
    )
  except training.Stopped as stopped:
    text, status = training.resume_hint(stopped.args[0])
    print(text, file=sys.stderr)
    sys.exit(status)
  print(f'finished {run}; next: python -m vae_info.evaluate --run={run}')


def run():
  define_flags()
  app.run(cli.one_line_errors(main))


if __name__ == '__main__':
  run()
