"""Remakes every figure and every table of the pages.

    python -m plots

All follow from plots/results.csv. Figures are drawn by `figures`, tables are
filled into the pages by `pages`.
"""

from absl import app

from plots import pages
from vae_info import cli


def main(argv):
  cli.no_arguments(argv)
  pages.remake()


if __name__ == '__main__':
  app.run(cli.one_line_errors(main))
