"""Render a report as one HTML file, with its style sheet and colours, and nothing from elsewhere."""

from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from loglik.output.manifest import check_unchanged, write_own
from loglik.output.visible import visible
from loglik.report.palette import stylesheet
from loglik.version import __version__

FILE = "report.html"


def write_page(folder: Path, template: str, **content: object) -> Path:
    """Render a template of this package into folder/report.html.

    Raises:
        WriteFailed: somebody has changed the page, or see `output.manifest.write_own`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("loglik.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template(template).render(
        version=__version__,
        date=datetime.now().strftime("%Y-%m-%d %H:%M"),
        light=stylesheet(dark=False),
        dark=stylesheet(dark=True),
        **content,
    )
    path = folder / FILE
    check_unchanged(path)
    write_own(path, html.encode("utf-8", "replace"))  # names of files need not be UTF-8
    return path


def _shown(value: object) -> object:
    """What a template prints: text from elsewhere without control characters; markup is ours, and stays."""
    return visible(value, keep="\n") if isinstance(value, str) and not isinstance(value, Markup) else value
