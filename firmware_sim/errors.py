"""Errors of the simulator.

::

    SimulatorError           anything that stops the simulator, in one sentence
    +-- ScenarioError        a scenario, nuclear data or replay folder is wrong

What comes in on the control line is never an error of these kinds: an unknown
command is answered and the journey goes on.
"""


class SimulatorError(Exception):
    """The simulator cannot go on; the message names file, key and remedy."""


class ScenarioError(SimulatorError):
    """A file that describes the world is wrong; the message says where."""
