"""Sweeps: their entries, filters and flags, engines, and states.

The engines here run a stub of a training. launch_fire_test.py has real ones.
"""

import collections
import dataclasses
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from launch import (
  benchmark,
  driver,
  engines,
  jobs,
  paper_figures,
  selection,
  states,
  sweeps,
)
from launch.display import Display
from launch.entries import BASELINES, TRAIN
from vae_info import config as configs, datasets, train
from vae_info.baselines.config import BaselineConfig
from vae_info.config import Config, parse_beta
from vae_info.errors import Stopped, UserError
from vae_info.evaluation import curve
from vae_info.networks import conditioning
from vae_info.runs import Run

ROOT = pathlib.Path(__file__).parents[1]
STUB = str(ROOT / 'tests' / 'launch_stub.py')
BEHAVIOURS = ('fine', 'killed', 'preempted', 'fails', 'busy')


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
  """Shortens the pauses before a second try."""
  monkeypatch.setattr(driver, 'PAUSE_SECONDS', 0.05)
  monkeypatch.setattr(driver, 'IN_USE_SECONDS', 0.1)


def stub_jobs(folder, *behaviours):
  return [
    jobs.Job(
      name=behaviour,
      directory=str(folder / behaviour),
      train=(STUB, behaviour, f'--run={folder / behaviour}'),
      evaluate=None,
    )
    for behaviour in behaviours
  ]


def runs_of(todo):
  return [job.run for job in todo]


def steps(run):
  return [int(line) for line in (run / 'steps.txt').read_text().splitlines()]


def starts(run):
  return len((run / 'starts.txt').read_text().splitlines())


def command(*words, **kwargs):
  return subprocess.Popen(
    [sys.executable, '-m', *map(str, words)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    **kwargs,
  )


# Sweeps as data.


@pytest.mark.parametrize('name', sweeps.SWEEPS)
def test_names_are_unique_and_those_that_the_command_itself_gives(name):
  runs = sweeps.SWEEPS[name]
  names = [run.name for run in runs]
  assert len(set(names)) == len(runs)
  for run in runs:
    if run.module != TRAIN:
      continue
    # As typed on a command line: 2 and 2.0 are the same there.
    words = [f'--{key}={value}' for key, value in run.flags.items()]
    assert Config(**selection.config_flags(words)).run_name == run.name


def test_names_never_change():
  first = {name: runs[0].name for name, runs in sweeps.SWEEPS.items()}
  for name, expected in {
    'smoke': 'static_mnist_conv_deconvolutional_gaussian_compact_beta1_seed0_'
    'latent_size=4_batch_size=20_steps=20',
    'mnist': 'binarized_mnist_conv_deconvolutional_gaussian_compact_beta0.1_'
    'seed0_precision=bfloat16',
    'omniglot': 'omniglot_conv_deconvolutional_gaussian_compact_beta0.1_seed0_'
    'binarization=dynamic_precision=bfloat16',
    'paper': 'binarized_mnist_conv_deconvolutional_gaussian_paper_beta0.1_'
    'seed0_lr_schedule=paper_precision=bfloat16',
  }.items():
    assert first[name] == expected


def test_smoke_has_every_combination():
  chosen = {
    (run.config.encoder, run.config.decoder, run.config.marginal)
    for run in sweeps.SWEEPS['smoke']
  }
  assert chosen == set(configs.families())


def test_mnist_row_has_each_family_once_and_is_a_part_of_the_curves():
  runs = sweeps.SWEEPS['mnist_row']
  families = {(run.config.decoder, run.config.marginal) for run in runs}
  assert len(families) == len(runs) == 2 * 3
  assert all(run.config.beta_range for run in runs)
  assert {run.name for run in runs} <= {
    run.name for run in sweeps.SWEEPS['curves']
  }


def test_attributes_have_all_tasks_of_both_decoders_and_their_networks():
  runs = sweeps.SWEEPS['attributes']
  trained = [run for run in runs if run.module == TRAIN]
  assert all(run.evaluation['task'] == 'all' for run in trained)
  for dataset, tasks in (
    ('binarized_mnist', datasets.digit_attributes.NAMES + ('digit',)),
    ('omniglot_lake', tuple(datasets.omniglot_lake.NUM_CLASSES)),
    ('sprites', tuple(datasets.sprites.NUM_CLASSES)),
  ):
    families = {
      (run.config.decoder, run.config.marginal)
      for run in trained
      if run.config.dataset == dataset
    }
    assert len(families) == 2 * 2
    networks = {
      (run.config.task, run.config.baseline)
      for run in runs
      if run.module == BASELINES and run.config.dataset == dataset
    }
    assert {task for task, _ in networks} == set(tasks)
    assert len(networks) == 2 * len(tasks)
  # The trainings on MNIST are those of the row.
  row = {run.name for run in sweeps.SWEEPS['mnist_row']}
  assert sum(run.name in row for run in trained) == 4


def test_figures_have_each_family_with_three_seeds_and_end_at_papers_size():
  runs = sweeps.SWEEPS['figures']
  trained = [run for run in runs if run.module == TRAIN]
  for run in trained:
    place = run.config.dataset, run.config.decoder
    betas = paper_figures.LONG_BETAS.get(place)
    if run.config.architecture == 'paper':
      betas = paper_figures.PAPER_SIZE_BETAS[run.config.decoder]
    elif not run.config.beta_range:
      betas = None
    assert run.evaluation['refit_decoder']
    low = str(run.config.beta).startswith('0.1')
    assert run.evaluation.get('betas') == (None if low else betas)
  # Two families were trained for other times.
  others = [
    run.config.epochs
    for run in trained
    if run.config.dataset == 'binarized_mnist' and not run.config.early_stopping
  ]
  assert others[:3] == [8.0, 200.0, 12.0]
  trained = [run for run in trained if run.config.epochs not in others[:3]]
  for dataset in ('binarized_mnist', 'omniglot'):
    curves = collections.Counter(
      (run.config.decoder, run.config.marginal)
      for run in trained
      if run.config.dataset == dataset
      and str(run.config.beta) == paper_figures.LONG_RANGES[run.config.decoder]
      and run.config.encoder == 'conv'
      and run.config.architecture == 'compact'
      and 'kl_annealing_epochs' not in run.flags
    )
    assert set(curves.values()) == {3}
    assert len(curves) == 2 * 3
  held = [run.config for run in trained if run.config.target_rate]
  assert sorted((run.target_rate, run.epochs) for run in held) == [
    (8.5, 25.0),
    (8.5, 25.0),
    (8.5, 25.0),
    (8.5, 40.0),
    (8.8, 50.0),
    (17.0, 25.0),
    (17.0, 40.0),
  ]
  trained = [run for run in trained if not run.config.target_rate]
  for run in trained[:-3]:
    assert run.config.epochs == paper_figures.LONG_EPOCHS[run.config.decoder]
    assert run.config.early_stopping
  assert [run.config.architecture for run in trained[-3:]] == ['paper'] * 3
  alone = [run.config for run in trained if not run.config.beta_range]
  counts = collections.Counter((run.decoder, run.marginal) for run in alone)
  # An autoregressive decoder with a Gaussian marginal also ignores its code.
  assert sorted(counts.values()) == [3, 3, 3, 4]


@pytest.mark.parametrize(('place', 'text'), paper_figures.LONG_BETAS.items())
def test_long_curves_have_usual_betas_and_more_where_rates_fall(place, text):
  dataset, decoder = place
  trained = parse_beta(paper_figures.LONG_RANGES[decoder])
  usual = [*conditioning.evenly(trained, curve.COUNT)]
  betas = [*map(float, text.split(','))]
  assert betas == sorted(betas)
  wanted = usual[::2] if dataset == 'omniglot' else usual
  assert set(wanted) <= set(betas)
  more = set(betas) - set(wanted)
  assert all(0.8444 < beta < 1.2 for beta in more)
  assert bool(more) == (decoder == 'autoregressive')


def test_figures_have_supervised_networks_at_full_width():
  configs = [
    run.config
    for run in sweeps.SWEEPS['figures']
    if run.module == BASELINES and run.config.baseline == 'supervised_complex'
  ]
  found = collections.Counter((c.task, c.depth, c.dropout) for c in configs)
  assert found == {
    ('digit', 64, 0.3): 3,
    ('character', 64, 0.1): 3,
    ('alphabet', 64, 0.3): 3,
    ('character', 64, 0.3): 3,
  }


def test_the_search_for_dropouts_has_each_task_at_half_the_full_width():
  configs = [run.config for run in sweeps.SWEEPS['supervised_search']]
  assert [(config.task, config.dropout) for config in configs] == [
    (task, dropout)
    for task in ('digit', 'alphabet', 'character')
    for dropout in (0.0, 0.1, 0.3)
  ]
  assert {config.depth for config in configs} == {32}


def test_paper_is_the_whole_grid_with_and_without_annealing():
  runs = [run.config for run in sweeps.SWEEPS['paper']]
  mnist = [run for run in runs if run.dataset == 'binarized_mnist']
  assert len(mnist) == 2 * 2 * 3 * len(sweeps.BETAS) * 2
  assert {run.architecture for run in runs} == {'paper'}
  assert {run.kl_annealing_epochs > 0 for run in runs} == {False, True}
  assert min(sweeps.BETAS) == 0.1
  assert max(sweeps.BETAS) == 10


def test_sweeps_import_no_tensorflow():
  code = (
    'import sys; from launch import sweep, status; '
    'sys.exit("tensorflow" in sys.modules)'
  )
  assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


# The choice of entries, and the user's flags.


@pytest.mark.parametrize(
  'text, count',
  [
    ('', 144),
    ('decoder=autoregressive', 72),
    ('decoder!=autoregressive,encoder=iaf', 36),
    ('beta<1', 72),
    ('beta <= 1, beta>=1.0', 12),
    ('beta>1,marginal=maf', 20),
    ('steps=None', 144),
    ('epochs=12', 72),  # Filters see defaults as well.
  ],
)
def test_filter(text, count):
  assert len(selection.choose('mnist', [], text)) == count


def test_flags_of_the_config_change_the_run_and_its_name():
  extra = ['--epochs=2', '--beta=1', '--steps_per_call=5']
  runs = selection.choose('mnist', extra, '')
  assert len(runs) == 12  # Runs that differed only in beta are now the same.
  assert all(run.name.endswith('epochs=2_precision=bfloat16') for run in runs)
  assert selection.handed_on(extra) == ('--steps_per_call=5',)


def test_steps_take_the_place_of_epochs_and_epochs_that_of_steps():
  text = 'decoder=deconvolutional,marginal=maf'
  [run] = selection.choose('mnist_row', ['--steps=10'], text)
  assert run.config.steps == 10 and run.config.epochs is None
  runs = selection.choose('smoke', ['--epochs=2'], '')
  assert {(run.config.steps, run.config.epochs) for run in runs} == {(None, 2)}


def test_a_changed_beta_is_evaluated_at_the_betas_of_its_own_range():
  text = 'decoder=autoregressive,marginal=gaussian'
  [run] = selection.choose('figure1_mnist', [], text)
  assert 'betas' in run.evaluation
  [run] = selection.choose('figure1_mnist', ['--beta=0.5:2'], text)
  assert 'betas' not in run.evaluation
  assert run.evaluation['refit_decoder']


def test_of_runs_that_become_equal_the_first_counts():
  runs = selection.choose('figures', ['--seed=1'], 'dataset=binarized_mnist')
  first = runs[0]
  assert first.name.count('seed1') == 1 and 'bounds' not in first.evaluation


def test_flags_need_to_suit_the_runs_that_pass_the_filter_alone():
  text = 'dataset=omniglot,decoder=deconvolutional'
  assert selection.choose('figures', ['--beta=0.5:5'], text)
  with pytest.raises(UserError, match='target_rate=8.5.*: target_rate needs'):
    selection.choose('figures', ['--beta=0.5:5'], '')


def test_train_has_the_flags_that_are_handed_on():
  from absl import flags

  before = set(flags.FLAGS)
  train.define_flags()
  defined = set(flags.FLAGS) - before
  for name in defined:
    delattr(flags.FLAGS, name)
  names = {name.removeprefix('no') for name in selection.TRAIN_FLAGS}
  names |= {field.name for field in dataclasses.fields(Config)}
  assert defined == names | {'run', 'runs_dir', 'data_dir', 'cache_dir'}


@pytest.mark.parametrize(
  'words, message',
  [
    ('', '--sweep is one of smoke, readme, mnist'),
    ('--sweep=foo', "unknown sweep 'foo'; expected one of smoke"),
    ('--sweep=smoke,foo', "unknown sweep 'foo'; expected one of smoke"),
    ('--sweep=mnist --filter=bete<1', "no run has 'bete'; expected one of"),
    ('--sweep=mnist --filter=beta<one', "'one' in 'beta<one' is not a number"),
    ('--sweep=mnist --filter=beta', "'beta' is not a condition such as"),
    ('--sweep=mnist --filter=beta<0', 'leaves none of the 144 runs'),
    ('--sweep=mnist epochs=2', "unexpected argument 'epochs=2'"),
    ('--sweep=mnist -- --epoch=2', 'train has no flag --epoch'),
    ('--sweep=mnist -- --epochs=two', "epochs must be a number, got 'two'"),
    ('--sweep=mnist -- --epochs=-2', 'epochs must be above 0'),
    ('--sweep=mnist -- --beta=2:1', 'needs 0 < LOW < HIGH'),
    ('--sweep=mnist -- --batch_size', 'needs a value: --batch_size=VALUE'),
    ('--sweep=mnist -- --strategy', 'needs a value: --strategy=VALUE'),
    ('--sweep=mnist -- --data_dir=x', 'write it before --'),
    ('--sweep=baselines -- --seed=1', 'none of the chosen runs of baselines'),
    ('--sweep=mnist --ray_address=a', 'must be local, auto or HOST:PORT'),
    ('--sweep=mnist --ray_address=127.0.0.1:1', 'no Ray cluster at 127.0.0.1'),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, words, message):
  process = command(
    'launch.sweep', f'--runs_dir={tmp_path}', *shlex.split(words)
  )
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 1
  (line,) = errors.strip().splitlines()
  assert message in line


def test_print_writes_commands_and_skips_what_is_finished(tmp_path):
  flags = ('--sweep=smoke', f'--runs_dir={tmp_path}', '--engine=print')
  flags += ('--filter=encoder=conv', '--cpus_per_run=3')
  flags += ('--data_dir=/my data', '--', '--steps=2')
  lines = command('launch.sweep', *flags).communicate()[0].splitlines()
  families = [parts for parts in configs.families() if parts[0] == 'conv']
  assert len(lines) == len(families)
  train_words, evaluate_words = (
    shlex.split(part) for part in lines[0].split(' && ')
  )
  name = (
    'static_mnist_conv_deconvolutional_gaussian_compact_beta1_seed0_'
    'latent_size=4_batch_size=20_steps=2'
  )
  threads = ['env', 'TF_NUM_INTRAOP_THREADS=3', 'OMP_NUM_THREADS=3']
  assert train_words[:3] == evaluate_words[:3] == threads
  assert train_words[3:7] == [
    'python',
    '-m',
    'vae_info.train',
    f'--run={tmp_path}/{name}',
  ]
  assert evaluate_words[3:7] == [
    'python',
    '-m',
    'vae_info.evaluate',
    f'--run={tmp_path}/{name}',
  ]
  for words in (train_words, evaluate_words):
    assert '--data_dir=/my data' in words
  (tmp_path / name).mkdir()
  (tmp_path / name / 'finished.json').write_text('{}')
  again = command('launch.sweep', *flags).communicate()[0].splitlines()
  assert 'vae_info.train' not in again[0]
  assert len(again) == len(families)


def test_several_sweeps_follow_each_other_and_a_run_of_two_comes_once(tmp_path):
  flags = f'--runs_dir={tmp_path}', '--engine=print'
  words = '--sweep=readme,mnist_row,curves', *flags
  lines = command('launch.sweep', *words).communicate()[0].splitlines()
  runs = [
    run.name
    for name in ('readme', 'mnist_row', 'curves')
    for run in sweeps.SWEEPS[name]
  ]
  printed = [re.search(r'--run=\S*/(\S+)', line)[1] for line in lines]
  assert printed == [*dict.fromkeys(runs)]


def test_printed_lines_have_no_order_so_none_needs_another(tmp_path):
  flags = f'--runs_dir={tmp_path}', '--engine=print'
  words = '--sweep=low_rate,low_rate_clusters', *flags
  process = command('launch.sweep', *words)
  errors = process.communicate()[1]
  assert process.returncode == 1
  assert 'print one sweep after the other' in errors


# The engines, on stubs.


def check_ends(folder, ends):
  """Checks that each job was done once, whatever happened on the way."""
  assert set(ends) == set(BEHAVIOURS)
  for name, outcome in ends.items():
    state = states.read(Run(folder / name))
    if name == 'fails':
      assert outcome.status == 1
      assert state.state == states.FAILED
      assert 'on purpose' in state.message
      assert starts(folder / name) == 2
    else:
      assert outcome.status == 0
      assert state.state == states.DONE
      assert steps(folder / name) == list(range(6))
      assert starts(folder / name) == 1 + (name != 'fine')


@pytest.mark.parametrize(
  'kind', ['serial', pytest.param('ray', marks=pytest.mark.slow)]
)
def test_each_is_done_once_and_one_failure_stops_no_other(tmp_path, kind):
  todo = stub_jobs(tmp_path, *BEHAVIOURS)
  make = {'serial': engines.Serial, 'ray': lambda: engines.Ray('local')}[kind]
  with make() as engine, Display(runs_of(todo)) as display:
    ends = driver.drive(todo, engine, 1, display)
  check_ends(tmp_path, ends)
  log = (tmp_path / 'fails' / 'launch' / 'train.log').read_text()
  assert log.count('on purpose') == 2


def test_no_retry_where_none_is_wanted_but_preemption_never_counts(tmp_path):
  todo = stub_jobs(tmp_path, 'preempted', 'killed')
  with engines.Serial() as engine, Display(runs_of(todo)) as display:
    ends = driver.drive(todo, engine, 0, display)
  assert ends['preempted'].status == 0
  assert ends['killed'].status == -signal.SIGKILL


def test_a_folder_that_cannot_be_written_stops_no_other(tmp_path):
  (tmp_path / 'broken').mkdir()
  (tmp_path / 'broken' / 'launch').write_text('not a folder')
  todo = stub_jobs(tmp_path, 'broken', 'fine')
  with engines.Serial() as engine, Display(runs_of(todo)) as display:
    ends = driver.drive(todo, engine, 1, display)
  assert ends['broken'].stage == 'start' and ends['broken'].failed
  assert ends['fine'].status == 0


def test_a_run_in_use_starts_no_process(tmp_path):
  (job,) = stub_jobs(tmp_path, 'fine')
  (tmp_path / 'fine').mkdir()
  with job.run.lock():
    assert jobs.execute(job).status == jobs.IN_USE
  assert not (tmp_path / 'fine' / 'launch').exists()
  assert jobs.execute(job).status == 0


def test_what_this_machine_lacks_is_refused_and_a_cluster_may_grow(capsys):
  nodes = [{'Alive': True, 'Resources': {'CPU': 2.0}}]
  ray = types.SimpleNamespace(nodes=lambda: nodes)
  engines._check_room(ray, {'CPU': 2, 'GPU': 0}, 'local')
  with pytest.raises(UserError, match='needs 64 CPU, .* machine has not'):
    engines._check_room(ray, {'CPU': 64}, 'local')
  assert not capsys.readouterr().out
  engines._check_room(ray, {'CPU': 64}, 'auto')
  assert 'waiting for' in capsys.readouterr().out


def test_a_finished_run_starts_no_process(tmp_path):
  (job,) = stub_jobs(tmp_path, 'fine')
  assert jobs.execute(job).status == 0
  assert jobs.execute(job).status == 0
  assert starts(tmp_path / 'fine') == 1


def test_a_command_that_does_not_finish_its_run_has_failed(tmp_path):
  job = jobs.Job('x', str(tmp_path / 'x'), ('-c', 'pass'), None)
  outcome = jobs.execute(job)
  assert outcome.status == 1
  assert 'did not finish' in outcome.message


def test_leaving_the_engine_lets_runs_save_their_state(tmp_path):
  (job,) = stub_jobs(tmp_path, 'endless')
  with engines.Ray('local') as engine:
    engine.submit(job)
    deadline = time.monotonic() + 60
    while not (tmp_path / 'endless' / 'steps.txt').exists():
      engine.wait(0.1)
      assert time.monotonic() < deadline
  reached = steps(tmp_path / 'endless')
  time.sleep(1.5)
  assert steps(tmp_path / 'endless') == reached  # The process has ended.
  assert len(reached) < 1000


def test_a_signal_ends_a_sweep_of_one_at_a_time(tmp_path):
  todo = stub_jobs(tmp_path, 'endless', 'fine')
  received = []
  threading.Timer(2.0, received.append, [signal.SIGINT]).start()
  with (
    engines.Serial(received) as engine,
    Display(runs_of(todo)) as display,
    pytest.raises(Stopped),
  ):
    driver.drive(todo, engine, 0, display, received)
  reached = steps(tmp_path / 'endless')
  assert not (tmp_path / 'fine').exists()
  time.sleep(1.0)
  assert steps(tmp_path / 'endless') == reached


@pytest.fixture
def cluster():
  """Starts a Ray node that claims four TPU chips; its address."""
  port = 20000 + os.getpid() % 20000
  words = ['start', '--head', '--block', f'--port={port}', '--num-cpus=2']
  words += ['--node-ip-address=127.0.0.1', '--include-dashboard=false']
  words += ['--object-store-memory=80000000', '--resources={"TPU": 4}']
  process = subprocess.Popen(
    [str(pathlib.Path(sys.executable).parent / 'ray'), *words],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    env={**os.environ, 'RAY_USAGE_STATS_ENABLED': '0'},
  )
  yield f'127.0.0.1:{port}'
  process.terminate()
  process.wait(60)


def join(address, **kwargs):
  """Joins the cluster as soon as it has started."""
  deadline = time.monotonic() + 60
  while True:
    try:
      return engines.Ray(address, **kwargs)
    except UserError:
      if time.monotonic() > deadline:
        raise
      time.sleep(0.5)


@pytest.mark.slow
def test_each_run_on_tpus_has_chips_of_its_own(tmp_path, cluster):
  names = ('fine', 'slow')
  todo = stub_jobs(tmp_path, *names)
  with (
    join(cluster, tpus=2) as engine,
    Display(runs_of(todo)) as display,
  ):
    ends = driver.drive(todo, engine, 0, display)
  assert [outcome.status for outcome in ends.values()] == [0, 0]
  chips = [
    (tmp_path / name / 'starts.txt').read_text().strip() for name in names
  ]
  assert all(len(both.split(',')) == 2 for both in chips)
  assert not set(chips[0].split(',')) & set(chips[1].split(','))


# States.


def test_states_from_directories_alone(tmp_path):
  run = Run(tmp_path / 'a')

  def state():
    return states.read(run).state

  assert state() == states.PENDING
  run.open(Config())
  assert state() == states.STOPPED
  run.report({'step': 5, 'total': 20, 'seconds_left': 61.2})
  with run.lock():
    assert state() == states.RUNNING
    assert 'step 5/20, 1:01 left' in states.line(states.read(run))
  states.mark_failed(run, {'message': 'for a reason'})
  assert state() == states.FAILED
  states.clear_failed(run)
  run.finish({})
  assert state() == states.TRAINED
  with run.lock():
    assert state() == states.EVALUATING
  (run.path / 'evaluation.json').write_text('{}')  # Damage counts as absence.
  assert state() == states.TRAINED
  run.write_rows([{}])
  assert state() == states.DONE
  run.finish({'step': 5})  # Trained again, so the evaluation is outdated.
  assert state() == states.TRAINED


def test_a_baseline_is_done_when_it_has_rows(tmp_path):
  run = Run(tmp_path / 'a')
  run.open(BaselineConfig('static_mnist', 'digit', 'pca'))
  assert states.read(run).state == states.STOPPED
  run.write_rows([{}])
  assert states.read(run).state == states.DONE


def test_a_terminal_has_a_live_table(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr('sys.stdout.isatty', lambda: True)
  monkeypatch.setattr('launch.display.SECONDS', 0.0)
  run = Run(tmp_path / 'one')
  run.open(Config())
  run.report({'step': 1, 'total': 4, 'seconds_left': 3})
  with Display([run, Run(tmp_path / 'two')]) as display:
    with run.lock():
      display.refresh()
    display.tell('something')
    display.refresh()
  table, rest = capsys.readouterr().out.split('something')
  assert 'running     one  step 1/4, 0:03 left' in table
  assert '1 pending, 1 running, 0 done, 0 failed' in table
  assert '\033[2F\033[J' in table  # Both lines of the table are erased.
  assert '2 pending, 0 running, 0 done, 0 failed' in rest


def test_status_is_a_table_of_the_folder(tmp_path):
  one, two = Run(tmp_path / 'one'), Run(tmp_path / 'two')
  for run in (one, two):
    run.open(BaselineConfig('static_mnist', 'digit', 'pca'))
  one.write_rows([{}])
  process = command('launch.status', f'--runs_dir={tmp_path}')
  output, errors = process.communicate()
  assert process.returncode == 0, errors
  assert output.splitlines() == [
    'done        one',
    'stopped     two',
    '1 pending, 0 running, 1 done, 0 failed, of the runs in this folder',
  ]
  process = command('launch.status', f'--runs_dir={tmp_path}/none')
  assert 'there is no folder' in process.communicate()[1]


def test_packed_is_when_the_last_run_ends():
  assert benchmark.packed([3, 1, 1, 1], cores=2) == 3
  assert benchmark.packed([1, 1, 1, 3], cores=2) == 4  # The last starts at 1.
  assert benchmark.packed([5], cores=4) == 5
