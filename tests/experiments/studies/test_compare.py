"""The page of a comparison says what the table says, and how to run it again."""

import shlex

import tyro
from experiments.studies.compare.page import command, comparison
from experiments.studies.compare.summary import summarise

from experiments.studies.compare import tables as report
from experiments.studies.compare.settings import Compare
from tests.experiments import tiny


def test_the_page_holds_verdict_table_and_command():
    arms, history = tiny.history()
    summaries, config = summarise(arms, history[-1]), tiny.config()
    html = comparison(config, summaries, "what was run", {"a <figure>": b"png"}).decode()
    assert report.verdict(summaries, 2) in html
    assert html.count("<tr>") == len(arms) + 1
    best = summaries[0]
    assert f'data-value="{float(best.accuracy.mean)!r}"' in html
    assert "a &lt;figure&gt;" in html
    assert command(config) in html


def test_the_command_gives_the_configuration_back():
    for config in (Compare(), tiny.config("tanh", weight_decay=0.5)):
        words = shlex.split(command(config))[4:]
        assert tyro.cli(Compare, args=words, config=(tyro.conf.OmitArgPrefixes,)) == config
