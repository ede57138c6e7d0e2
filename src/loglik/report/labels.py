"""Names beside their dots, where they cover no dot, no other name, and stay within the figure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
LETTER, LINE = 5.8, 11.0  # the width of a letter and the height of a line, in points
# Where a name may stand beside its dot, best first: points to the right and up, alignment across.
SIDES = (
    (9, 0, "left"), (-9, 0, "right"), (0, 12, "center"), (0, -12, "center"),
    (9, 11, "left"), (9, -11, "left"), (-9, 11, "right"), (-9, -11, "right"),
    (9, 22, "left"), (9, -22, "left"), (-9, 22, "right"), (-9, -22, "right"),
)  # fmt: skip


def place_labels(axes: "Axes", places: list[tuple[float, float]], names: list[str]) -> None:
    """Place each name on the first free side of its dot; if none is free, on the least crowded."""
    from matplotlib.figure import Figure

    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    scale = figure.dpi / 72.0
    whole = (0.0, 0.0, figure.bbox.width, figure.bbox.height)
    centres = [(float(x), float(y)) for x, y in axes.transData.transform(places)]
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    for name, centre, place in zip(names, centres, places, strict=True):
        boxes = [_box(name, centre, side, scale) for side in SIDES]
        covered = [sum(_common(box, other) for other in taken) + 10.0 * _beyond(box, whole) for box in boxes]
        chosen = covered.index(min(covered))
        taken.append(boxes[chosen])
        right, up, across = SIDES[chosen]
        label = axes.annotate(name, place, (right, up), textcoords="offset points", ha=across, va="center")
        label.set_in_layout(False)  # a long name does not push the chart aside


def _box(name: str, centre: tuple[float, float], side: tuple[int, int, str], scale: float) -> Box:
    width, height = LETTER * len(name) * scale, LINE * scale
    right, up, across = side
    left = centre[0] + right * scale - {"left": 0.0, "center": width / 2.0, "right": width}[across]
    bottom = centre[1] + up * scale - height / 2.0
    return left, bottom, left + width, bottom + height


def _common(a: Box, b: Box) -> float:
    """The area that both cover."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _beyond(box: Box, whole: Box) -> float:
    """The area of a box outside another."""
    return (box[2] - box[0]) * (box[3] - box[1]) - _common(box, whole)
