"""The page in a headless Chromium: no messages, no network, and it reacts."""

import re
import shutil
import subprocess
import sys

import plots_table
import pytest

from plots import explore, explore_chart, explore_records, table

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  """The path of the page that the command writes."""
  folder = tmp_path_factory.mktemp('explore')
  results = plots_table.write(folder / 'x.csv', plots_table.rows())
  output = folder / 'explore.html'
  flags = f'--results={results}', f'--output={output}'
  output_text = plots_table.run('explore', *flags)
  assert output_text == f'wrote {output}: {len(plots_table.rows())} results\n'
  return output


@pytest.fixture(scope='module')
def page(written):
  """The drawn page, with its messages (`said`) and requests (`asked`)."""
  if CHROMIUM is None:
    pytest.skip('no chromium on the PATH; apt-get install chromium brings one')
  api = pytest.importorskip('playwright.sync_api')
  with api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=CHROMIUM, args=['--no-sandbox']
    )
    page = browser.new_page(viewport={'width': 1300, 'height': 800})
    page.set_default_timeout(120_000)  # The machine may be busy.
    page.said, page.asked = [], []
    page.on('console', lambda message: page.said.append(message.text))
    page.on('pageerror', lambda error: page.said.append(str(error)))
    page.on('request', lambda request: page.asked.append(request.url))
    page.goto(written.as_uri())
    page.wait_for_selector('svg.marks .mark-symbol path')
    yield page
    browser.close()


def vaes(**wanted):
  """The table's β-VAEs of MNIST, chosen by decoder, marginal or encoder."""
  return [
    row
    for row in plots_table.rows(['binarized_mnist'])
    if row['method'] == 'vae'
    and all(row[name] == value for name, value in wanted.items())
  ]


def markers(page):
  """The markers of both panels that have a tooltip."""
  return page.locator('svg.marks .mark-symbol path[aria-label*="run: "]')


def marker(page, run):
  """The first marker of a run, which is in the plot against rate."""
  return page.locator(f'svg.marks path[aria-label*="run: {run};"]').first


def test_it_loads_in_silence_and_alone(page, written):
  assert page.said == []
  assert page.asked == [written.as_uri()]
  assert page.title() == explore.TITLE
  assert markers(page).count() == 2 * len(vaes())


def test_pointing_shows_a_runs_numbers(page):
  row = vaes(decoder='autoregressive', marginal='maf')[0]
  marker(page, row['run']).hover(force=True)
  tooltip = page.locator('#vg-tooltip-element.visible')
  tooltip.wait_for()
  text = tooltip.inner_text()
  shown = re.search(r'run\s+(\S+)', text).group(1)
  # If markers lie on top of each other, the tooltip may be of another one.
  row = next(
    row
    for row in vaes()
    if row['run'] == shown and f'{row["rate"]:.3f} ±' in text
  )
  for name in ('rate', 'distortion', 'label_distortion'):
    assert f'{row[name]:.3f} ± {row[f"{name}_stderr"]:.3f} nats' in text


def test_filters_change_what_is_drawn(page):
  for name, value in (
    ('decoder', 'autoregressive'),
    ('marginal', 'maf'),
    ('encoder', 'iaf'),
  ):
    select = page.locator(f'select[name="chosen_{name}"]')
    select.select_option(value)
    count = 2 * len(vaes(**{name: value}))
    assert 0 < count < 2 * len(vaes())
    page.wait_for_function(
      """count => document.querySelectorAll(
        'svg.marks .mark-symbol path[aria-label*="run: "]').length == count""",
      arg=count,
    )
    select.select_option(explore_chart.ALL)
  page.locator('select[name="shown"]').select_option('Omniglot character')
  page.wait_for_selector('svg.marks path[aria-label*="run: omniglot"]')
  assert not page.locator('svg.marks path[aria-label*="binarized"]').count()
  page.locator('select[name="shown"]').select_option('MNIST digit')
  page.wait_for_selector('svg.marks path[aria-label*="run: binarized"]')


def test_bits(page):
  title = page.get_by_text('C against rate, in ')
  assert title.text_content() == 'C against rate, in nats'
  page.locator('input[type=radio][value=bits]').check()
  page.wait_for_function(
    "document.querySelector('svg.marks').textContent.includes('in bits')"
  )
  page.locator('input[type=radio][value=nats]').check()


def bright(page):
  """The runs of all highlighted markers, in both panels."""
  return page.eval_on_selector_all(
    'svg.marks .mark-symbol path[aria-label*="run: "]',
    """paths => paths.filter(x => x.getAttribute('opacity') == '1')
      .map(x => x.getAttribute('aria-label').match(/run: ([^;]*)/)[1])""",
  )


def test_a_click_picks_a_run_out_in_both_panels(page):
  run = vaes(encoder='iaf', decoder='autoregressive')[0]['run']
  marker(page, run).click(force=True)
  page.wait_for_function(
    """() => document.querySelectorAll(
      'svg.marks path[aria-label*="run: "][opacity="0.1"]').length > 0"""
  )
  picked = bright(page)
  one = picked[0]
  assert set(picked) == {one}
  assert len(picked) == 2 * sum(row['run'] == one for row in vaes())
  assert page.said == []


def test_dragging_picks_out_in_both_panels(page):
  page.reload()
  one = vaes(encoder='iaf', decoder='deconvolutional')[0]['run']
  box = marker(page, one).bounding_box()
  page.mouse.move(box['x'] - 8, box['y'] - 8)
  page.mouse.down()
  page.mouse.move(box['x'] + 25, box['y'] + 25, steps=5)
  page.mouse.up()
  page.wait_for_function(
    """() => document.querySelectorAll(
      'svg.marks path[aria-label*="run: "][opacity="0.1"]').length > 0"""
  )
  picked = bright(page)
  middle = len(picked) // 2
  assert one in picked and len(picked) < len(vaes())
  assert picked[:middle] == picked[middle:]  # Both panels highlight the same.


def test_baselines_can_go(page):
  names = page.get_by_text('random, convolutional')
  assert names.count() == 2
  page.locator('input[type=checkbox]').uncheck()
  names.first.wait_for(state='detached')
  assert names.count() == 0


def test_a_missing_extra_is_reported(tmp_path):
  results = plots_table.write(tmp_path / 'x.csv', plots_table.rows())
  script = (
    "import sys; sys.modules['altair'] = None; sys.argv[0] = 'explore'; "
    "import runpy; runpy.run_module('plots.explore', run_name='__main__')"
  )
  done = subprocess.run(
    [sys.executable, '-c', script, f'--results={results}'],
    cwd=plots_table.ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1
  assert "pip install -e '.[explore]'" in done.stderr


def test_words_of_a_row(tmp_path):
  rows = table.read(
    plots_table.write(tmp_path / 'x.csv', plots_table.rows(['omniglot']))
  )
  record = explore_records.record(rows[0], 'Omniglot alphabet')
  minus = '\N{MINUS SIGN}'
  assert record['family'] == (
    f'({minus}, {minus}) deconvolutional, Gaussian; conv encoder'
  )
  assert record['beta_text'] == f'{rows[0].beta:g} (trained over 0.2:40)'
  assert record['rate_text'] == '2.000 ± 0.014 nats (2.885 bits)'
