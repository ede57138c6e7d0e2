"""What a comparison or a run has to show, as one HTML file that needs no network, and as a picture.

matplotlib and jinja2 are imported when a report is made, not with loglik.
"""

from loglik.report.comparison import comparison_report
from loglik.report.em_steps import em_steps
from loglik.report.map_and_predictive import map_and_predictive
from loglik.report.naive_failure import naive_failure
from loglik.report.picture import leaderboard_picture
from loglik.report.run import run_report

__all__ = [
    "comparison_report",
    "em_steps",
    "leaderboard_picture",
    "map_and_predictive",
    "naive_failure",
    "run_report",
]
