"""The laws that every likelihood obeys, run on any model: `check(model)` proves it or says what is wrong."""

from loglik.laws.report import Report
from loglik.laws.table import LAWS, Law, check
from loglik.laws.verdict import Result, Status

__all__ = ["LAWS", "Law", "Report", "Result", "Status", "check"]
