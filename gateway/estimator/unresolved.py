"""What the activity may have changed by while nobody has said what happened.

HELD returns to the certificate, but where the counts depart from the model the
certificate's interval alone would be too sharp: the dose may have changed. The change
that the counts would speak for, if it were one of the activity, widens the interval.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from gateway.estimator.filter_kernels import GATED, MISSING, USED
from gateway.estimator.filtering import CHANGED_AFTER
from gateway.estimator.fusion import fit
from gateway.estimator.journal import Flags, Floats, Journal
from gateway.estimator.model import ForwardModel, Parameter

# So wide that an empty vial is among what it takes into account.
_OPEN: Final = 3.0
# Without a beginning to be seen, it is asked of the last hour of minutes.
_RECENT_BINS: Final = 60


def unresolved_u(model: ForwardModel, journal: Journal, fate: Floats) -> float:
    """Return by how much the activity may have changed, relative, as k = 1.

    Args:
        model: the forward model.
        journal: the bins; those in which an alarm is unresolved are looked at too.
        fate: (n, c) what the live filter made of each count.
    """
    first = min(
        _begin(journal, fate[:, list(model.watching)]), max(len(journal) - 1, 0)
    )
    is_after: Flags = np.arange(len(journal)) >= first
    is_watching = np.array([channel.side != 0 for channel in model.channels])
    keep: Flags = (fate == USED) | (
        (fate == GATED) & is_after[:, None] & is_watching[None, :]
    )
    opened = model.with_priors(replace(model.priors, change_u=_OPEN))
    asked = replace(journal, is_learnt=np.ones(len(journal), np.bool_))
    found = fit(opened, asked, keep=keep, change=is_after.astype(np.float64))
    change, u = found.value(Parameter.CHANGE)
    return math.hypot(change, u) if found.is_converged else _OPEN


def _begin(journal: Journal, fate: Floats) -> int:
    """Return the first bin of what goes on: an alarm, or a departure."""
    n = len(journal)
    learnt = np.flatnonzero(journal.is_learnt)
    begins = [int(learnt[-1]) + 1 if learnt.size else 0]
    for column in fate.T:
        others = np.flatnonzero((column != GATED) & (column != MISSING))
        first = int(others[-1]) + 1 if others.size else 0
        if (column[first:] == GATED).sum() >= CHANGED_AFTER:
            begins.append(first)
    return min(begins) if min(begins) < n else max(n - _RECENT_BINS, 0)
