"""Does Monte-Carlo dropout give the published regression table?

Claim: trained by the published protocol on the published splits, RMSE and log-likelihood are those
of Gal & Ghahramani 2016, within what seeds and splits leave open.

Arms: the published hyperparameters, which alone decide. Beside them, on request: dropout off, rate
and precision searched inside each training split, learned rates (concrete dropout).

Takes under 5 minutes on two cores, and 2 more with power-plant.

Came out (one seed a split): all five sets agree in the protocol `original`, yacht and energy in
`10x`, yacht in `2layers`; the others were not tried there. With dropout off, energy gets
far better (RMSE 0.55 for 1.71: at the published rate it underfits), wine and the likelihood of the
concrete set worse.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from experiments.runs.execute import Runnable
from experiments.runs.manifest import Case, Head
from experiments.runs.progress import shown
from experiments.runs.watch import Watch, Work
from experiments.studies.run import Study, how_long, whole
from experiments.studies.settings import command_line
from experiments.studies.uci import data, published, train
from experiments.studies.uci.config import PROTOCOLS, Hyperparameters, Uci
from experiments.studies.uci.network import Result
from experiments.studies.uci.published import Published, Results, Sets
from experiments.studies.uci.report import report
from experiments.studies.uci.train import Problem, of_arm, search, tries
from experiments.training.keys import seed_keys
from experiments.training.sweep import Arrays, Checkpoints, Tick
from experiments.words import counted

Problems = Mapping[str, Problem]
CLAIM = "Monte-Carlo dropout: RMSE and log-likelihood of Gal & Ghahramani 2016 on the UCI sets"


def lacks(config: Uci) -> str:
    """Which data are missing, in words; nothing if none are."""
    missing = [name for name in config.names if not (config.data_dir / name / "data.txt").exists()]
    return f"no {', '.join(missing)} in {config.data_dir} (--data-dir)" if missing else ""


def prepare(config: Uci) -> Runnable[Sets]:
    """Reads everything before anything is trained."""
    config = config.anywhere
    chosen = {name: config.hyperparameters(name) for name in config.names}
    protocol = PROTOCOLS[config.protocol]._replace(epochs=config.length)
    seeds, samples = seed_keys(config.seed, config.seeds), config.used.samples

    def problem(name: str) -> Problem:
        folder = config.data_dir / name
        return Problem(folder, data.load(folder), protocol, seeds, samples, chosen[name])

    problems = {name: problem(name) for name in chosen}
    known = {name: published.load(problem) for name, problem in problems.items()}
    cases = {name: Case(None, train.inputs(problem)) for name, problem in problems.items()}
    return Runnable(
        Head.of(command_line("run uci", config), config, cases),
        partial(_train, config, problems, known),
        partial(report, CLAIM, config),
        compared={"results.csv": 3, "arms.csv": 4},
    )


def _train(
    config: Uci, problems: Problems, known: Mapping[str, Published | None], checkpoints: Checkpoints
) -> Sets:
    """Set after set; whatever is trained in one go is kept."""
    works = {part: work for name in problems for part, work in _works(config, name, problems[name])}
    with shown(sum(work.whole for work in works.values())) as progress:

        def kept(part: str, make: Callable[[Tick], Any]) -> Arrays:
            watch = Watch(works[part], progress, len(works) - 1 - [*works].index(part))
            arrays = checkpoints.part(part, lambda: make(watch)._asdict())
            watch.end()
            return arrays

        each = problems.items()
        return {name: Results(known[name], *_of_set(config, name, it, kept)) for name, it in each}


def _works(config: Uci, name: str, problem: Problem) -> Iterator[tuple[str, Work]]:
    """What is trained for a set, part after part."""
    searches = {"": config.search} | {f"-{arm}": arm == "searched" for arm in config.arms}
    for arm, searched in searches.items():
        title = f"{name}{arm.replace('-', ', ')}"
        if searched:
            yield f"{name}{arm}-search", _work(f"{title}, search", *tries(problem))
        yield f"{name}{arm}", _work(title, problem)


def _work(title: str, *problems: Problem) -> Work:
    """That of problems which differ in numbers alone, one after the other."""
    one = problems[0]
    splits, seeds = one.keys.shape
    words = f"{title}: {counted(splits, 'split')} × {counted(seeds, 'seed')}"
    return Work.of_networks(words, splits * seeds, one.plan, one.protocol.epochs, len(problems))


def _of_set(
    config: Uci, name: str, problem: Problem, kept: Callable[[str, Callable[[Tick], Any]], Arrays]
) -> tuple[Result, dict[str, Result]]:
    def searched(part: str, problem: Problem) -> Problem:
        numbers = kept(f"{part}-search", partial(search, problem))
        return problem._replace(chosen=Hyperparameters(**numbers))

    def result(part: str, problem: Problem) -> Result:
        return Result(**kept(part, partial(train.run, problem)))

    problem = searched(name, problem) if config.search else problem
    ours, beside = result(name, problem), {}
    for arm in config.arms:
        part, own = f"{name}-{arm}", of_arm(arm, problem)
        beside[arm] = result(part, searched(part, own) if arm == "searched" else own)
    return ours, beside


UCI = Study(CLAIM, Uci(), whole(prepare), lacks, how_long(__doc__))
