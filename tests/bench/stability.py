"""How calm are tiers? `make bench-stability`, or `python -m tests.bench.stability CUSTOMERS`.

On the sample company: how many effective tiers differ where every amount is off by up to 3 %, and how many customers
move there and back within 12 months, with the memory on and off, and under each shipped policy.
"""

from __future__ import annotations

import sys

import polars as pl

from flows.pipeline.rate import SHIPPED_POLICIES, read_policy
from tests.bench.real_sets import table, write
from tests.sample_facts import known_of, looks_of, memory_off, sample_company
from transforms.facts.as_of import AsOfFacts
from transforms.policy.model import Policy
from transforms.simulation.compare import agreement
from transforms.simulation.replay import replay
from transforms.simulation.volatility import volatility

PERIODS, SHOWN = 36, 24
NOISE = 0.03


def main(customers: int) -> None:
    """Measure and print."""
    pl.Config.set_engine_affinity("in-memory")
    world = sample_company(customers=customers)
    shipped = {path.stem: read_policy(path) for path in sorted(SHIPPED_POLICIES.glob("*.toml"))}
    policy = shipped.pop("default")
    looks = looks_of(world, PERIODS)
    first, last = looks[-SHOWN].period, looks[-1].period

    def lived(known: AsOfFacts, rule: Policy) -> pl.DataFrame:
        return replay(lambda _: known, rule, looks).values

    exact, noisy = known_of(world), known_of(world, noise=NOISE)
    on, off, under_noise = lived(exact, policy), lived(exact, memory_off(policy)), lived(noisy, policy)
    lives = {"default": on, "default, memory off": off} | {
        name: lived(exact, rule) for name, rule in shipped.items()
    }
    counted = {name: volatility(life.lazy(), first=first, last=last) for name, life in lives.items()}
    table(
        f"{customers:,} customers, {first:%Y-%m} to {last:%Y-%m}",
        ("policy", "moves", "there and back within 12 months", "in 100 customer-years"),
        [
            (name, each.moves, each.reversals, each.reversals_per_100_customer_years)
            for name, each in counted.items()
        ],
    )
    shown = pl.col("period") >= first
    same = agreement(on.filter(shown), under_noise.filter(shown))
    other = same["ratings"] - same["same_tier"]
    write(
        f"\n±{NOISE:.0%} on every amount: {other:,} of {same['ratings']:,} effective tiers differ, {100 * other / same['ratings']:.2f} % (default policy)"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
