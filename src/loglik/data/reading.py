"""What a run remembers of how its data were read, beyond their space: other files must be read the same way.

Level 17 of a text is a character only through the vocabulary of the text that was trained on; class 2 of a folder of
images is a subfolder only through the names of the folder that was trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loglik.data.source import Dataset


@dataclass(frozen=True)
class Reading:
    """`vocabulary` names the levels of symbols, `labels` the levels of the context, `sample_rate` is in Hz."""

    vocabulary: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    sample_rate: int | None = None

    @classmethod
    def of(cls, data: Dataset) -> "Reading":
        labels = data.split.get("labels")
        return cls(data.train.vocabulary, None if labels is None else tuple(labels), data.train.sample_rate)

    @classmethod
    def from_json(cls, record: Mapping[str, Any] | None) -> "Reading":
        """From the `data` entry of run.json; missing fields are None."""
        record = record or {}
        names = {key: record.get(key) for key in ("vocabulary", "labels")}
        return cls(
            **{key: None if found is None else tuple(found) for key, found in names.items()},
            sample_rate=record.get("sample_rate"),
        )

    def to_json(self) -> dict[str, Any]:
        lists = {key: getattr(self, key) for key in ("vocabulary", "labels")}
        return {**{k: None if v is None else list(v) for k, v in lists.items()}, "sample_rate": self.sample_rate}
