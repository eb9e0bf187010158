"""The live filter: the activity after every bin, and what each bin shows anew.

An extended Kalman filter in log parameters (``filter_kernels``). It is there for the
stream: its standardised innovations feed change detection, and it says which counts
are no part of the model. The number that is published is ``fusion``'s, which looks at
all bins again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.estimator import filter_kernels as kernels
from gateway.estimator.filter_kernels import N_PER_CHANNEL, N_STATE
from gateway.estimator.journal import Flags, Floats, Journal
from gateway.estimator.model import N_COMMON, ForwardModel, Parameter

_DISPLACEMENT: Final = N_COMMON
_BACKGROUND: Final = N_COMMON + 1
# Three empty bins in a row where more than 16 counts each were expected: it is dead.
DEAD_AFTER: Final = 3
# So many gated bins in a row are no outlier but a change.
CHANGED_AFTER: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Innovations:
    """What the bins showed beyond their prediction.

    While the model holds, each column is white noise of mean 0 and variance 1
    (Poisson's skewness remains where few counts are expected).

    Attributes:
        begin_s: (n,) begin of the bins, s since the journal's origin.
        contrasts: (n, 3) standardised innovation of the sum of the pair, of its
            relative difference, and of the sum of the other detectors; NaN where a
            contrast has no detector.
        channels: (n, c) standardised innovation of each detector, NaN where missing.
        expected: (n, c) expected counts.
        deviation: (n, c) standard deviation of counts less expected.
        paralysis: (n, c) rate times dead time.
        fate: (n, c) ``USED``, ``MISSING``, ``GATED`` or ``SILENT`` of the kernels.
    """

    begin_s: Floats
    contrasts: Floats
    channels: Floats
    expected: Floats
    deviation: Floats
    paralysis: Floats
    fate: Floats

    def where(self, keep: Flags | slice) -> "Innovations":
        """Return the bins for which ``keep`` (n,) is true, or a slice of them."""
        return Innovations(*(getattr(self, name)[keep] for name in self.__slots__))


class LiveFilter:
    """Follows one vial in one container, bin by bin.

    Args:
        model: the forward model.
        origin_ns: origin of the journals that will be taken, ns UTC.
    """

    def __init__(self, model: ForwardModel, origin_ns: int) -> None:
        self._model = model
        self._origin_ns = origin_ns
        self._term = model.term_table(origin_ns)
        self._channel = model.channel_table()
        priors = model.priors
        walk = priors.background_walk_u_log**2 / priors.background_knot_s
        self._noise = np.array([walk, priors.shock_u_mm**2])
        self._state = np.zeros(N_STATE + 1)
        self._state[N_STATE] = np.nan
        own_sd = (priors.displacement_u_mm, priors.background_u_log)
        self._covariance = np.diag(np.append(model.common_sd(), own_sd) ** 2)
        self._runs = np.zeros((2, len(model.channels)), np.int64)
        self._end_s = -np.inf
        self.late_bins = 0

    def take(self, journal: Journal) -> Innovations:
        """Take the bins that are newer than all before; the others are counted.

        Late and repeated bins add to ``late_bins``: the filter does not go back, the
        fused number does.

        Raises:
            ValueError: the journal has another origin.
        """
        if journal.origin_ns != self._origin_ns:
            raise ValueError(f"origin {journal.origin_ns}, not {self._origin_ns}")
        is_new = journal.begin_s >= self._end_s - 1e-6
        self.late_bins += int((~is_new).sum())
        new = journal if is_new.all() else journal.where(is_new)
        width = 3 + N_PER_CHANNEL * len(self._model.channels)
        out = np.empty((len(new), width))
        kernels.filter_bins(
            self._term,
            self._channel,
            self._model.row_table(new, None),
            self._model.seen_table(new),
            self._noise,
            self._state,
            self._covariance,
            out,
        )
        if len(new):
            self._end_s = float(new.end_s[-1])
        found = _innovations(new, out)
        self._count_runs(found.fate)
        return found

    def _count_runs(self, fate: Floats) -> None:
        for i, kind in enumerate((kernels.GATED, kernels.SILENT)):
            for column in range(fate.shape[1]):
                self._runs[i, column] = _run(
                    fate[:, column], kind, int(self._runs[i, column])
                )

    def reopen_background(self) -> None:
        """Let the background be learned anew: the place changed."""
        variance = self._model.priors.background_u_log**2
        self._covariance[_BACKGROUND, _BACKGROUND] += variance

    @property
    def mean(self) -> Floats:
        """Common parameters, displacement mm, logarithm of the background; (12,)."""
        return self._state[:N_STATE].copy()

    @property
    def covariance(self) -> Floats:
        """Covariance of :attr:`mean`, (12, 12)."""
        return self._covariance.copy()

    @property
    def log_ratio(self) -> float:
        """Logarithm of activity over the certificate's, at the reference instant."""
        return float(self._state[Parameter.ACTIVITY])

    @property
    def log_ratio_u(self) -> float:
        """Standard uncertainty of :attr:`log_ratio`."""
        return float(np.sqrt(self._covariance[0, 0]))

    @property
    def displacement_mm(self) -> tuple[float, float]:
        """Displacement of the source and its standard uncertainty, mm."""
        variance = self._covariance[_DISPLACEMENT, _DISPLACEMENT]
        return float(self._state[_DISPLACEMENT]), float(np.sqrt(variance))

    @property
    def background_log(self) -> tuple[float, float]:
        """Logarithm of the terrestrial background's scale, and its uncertainty."""
        variance = self._covariance[_BACKGROUND, _BACKGROUND]
        return float(self._state[_BACKGROUND]), float(np.sqrt(variance))

    @property
    def changed(self) -> tuple[str, ...]:
        """Detectors whose last bins were all far off their prediction."""
        return self._named(self._runs[0] >= CHANGED_AFTER)

    @property
    def dead(self) -> tuple[str, ...]:
        """Detectors whose last bins were all empty where many counts were due."""
        return self._named(self._runs[1] >= DEAD_AFTER)

    def _named(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(
            channel.sensor
            for channel, is_chosen in zip(self._model.channels, chosen, strict=True)
            if is_chosen
        )


def _innovations(new: Journal, out: Floats) -> Innovations:
    n_channels = (out.shape[1] - 3) // N_PER_CHANNEL
    by_channel = out[:, 3:].reshape(len(new), n_channels, N_PER_CHANNEL)
    return Innovations(
        begin_s=new.begin_s,
        contrasts=out[:, :3],
        channels=by_channel[:, :, 0],
        expected=by_channel[:, :, 1],
        deviation=np.sqrt(by_channel[:, :, 2]),
        paralysis=by_channel[:, :, 3],
        fate=by_channel[:, :, 4],
    )


def _run(fate: Floats, kind: float, before: int) -> int:
    """Return how many of the last bins that are there are of one kind."""
    there = fate[fate != kernels.MISSING]
    others = np.flatnonzero(there != kind)
    n = int(there.size)
    return before + n if others.size == 0 else n - 1 - int(others[-1])
