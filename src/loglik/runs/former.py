"""Runs of earlier versions: what their models are called now."""

from loglik.records import Record

# realnvp and ffjord were for vectors or for images by a hyperparameter; what the other kind takes had no effect.
DROPPED = {
    ("realnvp", False): ("width", "scales"),
    ("realnvp", True): ("hidden", "dropout"),
    ("ffjord", False): ("scales",),
    ("ffjord", True): (),
}


def renewed(model: Record) -> Record:
    """The name and hyperparameters that a run.json has of its model, as this version takes them.

    None, the default of a hyperparameter that its builder made from the space, is left out.
    """
    name, given = model["name"], model["hyperparameters"]
    images = given.get("images")
    if name not in ("realnvp", "ffjord") or not isinstance(images, bool):
        return model
    left = {"images", *DROPPED[name, images]}
    kept = {key: value for key, value in given.items() if key not in left and value is not None}
    return {**model, "name": f"{name}-images" if images else name, "hyperparameters": kept}
