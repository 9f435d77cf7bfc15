"""Make the charts of the report's guesses from the records of their trainings.

python docs/pictures/make_guesses.py
"""

from pathlib import Path

from matplotlib.figure import Figure

from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.charts import draw_guesses, draw_steps
from partwise_report.study.guesses.comparisons import chain_of
from partwise_report.study.guesses.trial import read_trial
from partwise_report.study.guesses.verdicts import verdicts

HERE = Path(__file__).parent
RECORDS = HERE.parent.parent / "results" / "report_guesses"


def save(figure: Figure | None, name: str) -> None:
    """Write a chart on white beside this file."""
    assert figure is not None, f"no trainings for {name}"
    figure.savefig(HERE / name, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    trials = by_variant([read_trial(path) for path in sorted(RECORDS.glob("*.json"))])
    save(draw_guesses(verdicts(trials), trials), "guesses.png")
    save(draw_steps(chain_of(trials, "chain")), "guesses_chain.png")
