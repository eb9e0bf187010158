"""Which troubles a seed has."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Storm:
    """Which troubles a seed has, beside those that all have."""

    interval_s: float
    quota_segments: int
    has_full_disk: bool
    has_bad_disk: bool
    has_new_card: bool
    has_old_card: bool

    @classmethod
    def draw(cls, rng: Random) -> "Storm":
        has_full_disk = rng.random() < 0.4
        has_old_card = rng.random() < 0.4
        return cls(
            interval_s=rng.choice((1200.0, 1800.0, 3600.0)),
            quota_segments=rng.choice((3, 5, 60)),
            has_full_disk=has_full_disk,
            has_bad_disk=rng.random() < 0.6,
            has_new_card=rng.random() < 0.3,
            has_old_card=has_old_card,
        )
