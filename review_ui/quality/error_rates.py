"""Shares with their uncertainty, and the estimate of how many wrong masks were accepted."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

INTERVAL = 0.95
MOST_INFORMATIVE = 0.2  # width of an interval; a wider one says too little for a figure
FAILING_RATE = 0.1  # of damaged gold accepted: above it for certain, verdicts can't be relied on
DRAWS = 20_000  # Monte Carlo: the interval's ends then vary by about 1 % of its width from seed to seed

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` out of `n`."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval (Clopper-Pearson); None without any observation."""
        return clopper_pearson(self.hits, self.n) if self.n else None

    @property
    def is_failing(self) -> bool:
        """Whether the rate, of damaged gold accepted, lies above FAILING_RATE with its whole interval."""
        return self.interval is not None and self.interval[0] > FAILING_RATE


@dataclass(frozen=True, slots=True)
class SlippedThrough:
    """Wrong masks among the accepted ones: share, its 95 % interval, and number."""

    share: float
    share_interval: Interval
    accepted: int

    @property
    def is_known(self) -> bool:
        """Whether the interval is narrow enough for the share to mean something."""
        low, high = self.share_interval
        return high - low <= MOST_INFORMATIVE

    @property
    def count(self) -> float:
        return self.share * self.accepted


@lru_cache(maxsize=4096)
def clopper_pearson(hits: int, n: int) -> Interval:
    """The exact 95 % interval of a binomial share (Clopper and Pearson 1934); n at least 1."""
    from scipy.special import betaincinv  # here: it takes 0.2 s to load

    tail = (1 - INTERVAL) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def slipped_through(
    accepted: Rate, false_accept: Rate, false_reject: Rate, *, seed: int, draws: int = DRAWS
) -> SlippedThrough | None:
    """Estimate how many of the masks accepted at work are wrong, from the error rates on gold.

    The share of wrong masks in the work follows from the accept rate (Rogan and Gladen 1978); of these
    `false_accept` got through. None when nothing was accepted, when there is no gold of either kind, or when the
    verdicts on gold are no better than chance. The interval is for these very masks: Beta posteriors of the three
    rates with Jeffreys' prior, then binomial sampling of the accepted masks.
    """
    if not (accepted.hits and false_accept.n and false_reject.n):
        return None
    rates = (accepted, false_accept, false_reject)
    observed = [np.array([rate.hits / rate.n]) for rate in rates]
    if observed[1][0] + observed[2][0] >= 1:
        return None
    generator = np.random.default_rng(seed)
    chance = _wrong_among_accepted(*(_posterior(rate, generator, draws) for rate in rates))
    wrong = generator.binomial(accepted.hits, chance)  # among the accepted masks
    tail = (1 - INTERVAL) / 2
    low, high = np.quantile(wrong / accepted.hits, (tail, 1 - tail))
    share = float(_wrong_among_accepted(*observed)[0])
    return SlippedThrough(share, (min(float(low), share), max(float(high), share)), accepted.hits)


def _wrong_among_accepted(accept: np.ndarray, false_accept: np.ndarray, false_reject: np.ndarray) -> np.ndarray:
    """The share of wrong masks, from three rates of one shape."""
    better_than_chance = 1 - false_reject - false_accept
    safe = np.where(better_than_chance > 0, better_than_chance, 1.0)
    wrong = np.clip((1 - false_reject - accept) / safe, 0.0, 1.0)
    wrong = np.where(better_than_chance > 0, wrong, 1.0)  # no information from such a reviewer
    return np.minimum(wrong * false_accept / accept, 1.0)


def _posterior(rate: Rate, generator: np.random.Generator, draws: int) -> np.ndarray:
    return generator.beta(rate.hits + 0.5, rate.n - rate.hits + 0.5, draws)
