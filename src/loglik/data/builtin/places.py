"""Where the official files of the standard data sets are, under the folder that $LOGLIK_DATA names.

Nothing is fetched: a missing file is named, with the place where it was expected.
"""

import os
from pathlib import Path

from loglik.errors import DataNotFound

ROOT = "LOGLIK_DATA"
PARTS = ("train", "valid", "test")
IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CIFAR = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
BINARY = ("baudio", "bbc", "bnetflix", "dna", "jester", "moviereview", "mushrooms", "nips", "nltcs", "pumsb_star")
UCI = ("bike", "keggdirected", "keggundirected", "pol")
BSDS = ("BSDS300/images/train", "BSDS300/images/test")
FILES: dict[str, tuple[str, ...]] = {
    "mnist": tuple(f"MNIST/raw/{name}" for name in IDX),
    "fashion-mnist": tuple(f"FashionMNIST/raw/{name}" for name in IDX),
    "binarized-mnist": tuple(f"binarized_mnist/binarized_mnist_{part}.amat" for part in PARTS),
    "cifar10": tuple(f"cifar-10-batches-py/{name}" for name in CIFAR),
    "tinyshakespeare": ("tinyshakespeare/input.txt",),
    "fsdd": ("fsdd/recordings",),
    "bsds300": BSDS,
    "bsds300-colour": BSDS,
    "freyfaces": ("freyfaces/freyfaces.npy",),
    **{name: tuple(f"density_estimation_binary/{name}/{name}.{part}.data" for part in PARTS) for name in BINARY},
    **{name: (f"uci_regression/{name}/data.csv",) for name in UCI},
}


def find(name: str) -> list[Path]:
    """The files of a data set, plain or .gz, or its folders.

    Raises:
        DataNotFound: $LOGLIK_DATA is not set, or something is not there.
    """
    lacking = missing(name)
    if lacking:
        raise DataNotFound(lacking)
    root = Path(os.environ[ROOT])
    plain = [root / file for file in FILES[name]]
    return [path if path.exists() else path.with_name(path.name + ".gz") for path in plain]


def missing(name: str) -> str:
    """What keeps a data set from being read: the first path that is not where it should be; empty if nothing does."""
    root = os.environ.get(ROOT, "")
    if not root:
        return f"Expected {FILES[name][0]} under ${ROOT}; it is not set. Set it to the folder of your data sets."
    for file in FILES[name]:
        path = Path(root) / file
        if not path.exists() and not path.with_name(path.name + ".gz").is_file():
            return f"Expected the official {path} (or .gz); there is none. Put it there, or correct ${ROOT}."
    return ""
