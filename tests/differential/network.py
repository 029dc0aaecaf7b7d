"""A random network as its framework has it: a file to convert, and what the framework answers."""

import dataclasses


@dataclasses.dataclass
class Run:
    """What one request sends and wants: {name: array}. One output under None has any name."""

    inputs: dict
    outputs: dict


@dataclasses.dataclass
class Network:
    path: str
    options: str  # what it was made of, for people
    runs: list


def often(random, share):
    """True in that share of the calls."""
    return random.random() < share
