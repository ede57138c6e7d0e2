"""What our JSON files hold, as types."""

from typing import Any, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
# A table in such a file. A schema (see `storage.schema`) says which entries it has, and of which types; it is checked
# when the file is read, so code that reads an entry relies on it.
Record: TypeAlias = dict[str, Any]
