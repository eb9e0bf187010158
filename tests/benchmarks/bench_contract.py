"""What the contract costs: seals and checks per second, bytes per kind of record.

Prints a table, or with ``--json`` one line for machines. A run takes a few seconds;
the rates are of one core and of this machine.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from schemas import commands, facts, receipts, records
from schemas.envelope import SealCheck, check, open_envelope
from schemas.records import Body
from tests.schemas import samples
from tests.schemas.fact_samples import FACTS
from tests.schemas.samples import (
    BODIES,
    COMMANDS,
    GATEWAY,
    GATEWAY_KEY,
    GATEWAY_SIGNER,
    PERSON_KEY,
    PERSON_SIGNER,
    fact_header,
    header,
)

REPORT = next(body for body in BODIES if isinstance(body, records.Report))
AAD = records.record_aad(records.VERSION, GATEWAY)


def _rate(step: Callable[[], object], seconds: float) -> float:
    """Return how often ``step`` runs in a second, best of three."""
    rates = []
    for _ in range(3):
        done, began = 0, perf_counter()
        while (elapsed := perf_counter() - began) < seconds / 3:
            step()
            done += 1
        rates.append(done / elapsed)
    return max(rates)


def _seal(body: Body) -> bytes:
    return records.seal_record(header(body, 3), body, GATEWAY_SIGNER)


def _verify(sealed: bytes) -> None:
    opened = open_envelope(sealed)
    read = records.read_record(opened.payload)
    aad = records.record_aad(read.header.version, read.header.gateway)
    if check(opened, GATEWAY_KEY, aad) is not SealCheck.GOOD:
        raise SystemExit("the benchmark's own record does not verify")


def rates(seconds: float) -> dict[str, float]:
    """Return operations per second by name."""
    sealed = _seal(REPORT)
    fact = facts.seal_fact(fact_header(FACTS[0]), FACTS[0], PERSON_SIGNER)
    opened = open_envelope(fact)
    fact_aad = facts.fact_aad(1, fact_header(FACTS[0]).author)
    payload = open_envelope(sealed).payload
    steps: dict[str, Callable[[], object]] = {
        "seal report": lambda: _seal(REPORT),
        "seal heartbeat": lambda: _seal(BODIES[8]),
        "open, read, verify report": lambda: _verify(sealed),
        "open report": lambda: open_envelope(sealed),
        "read report": lambda: records.read_record(payload),
        "verify ES256 fact": lambda: check(opened, PERSON_KEY, fact_aad),
    }
    return {name: _rate(step, seconds) for name, step in steps.items()}


def sizes() -> dict[str, int]:
    """Return the bytes of a sealed item of each kind: one vial, one detector."""
    found = {f"record {records.KINDS[type(one)]}": len(_seal(one)) for one in BODIES}
    for fact in FACTS:
        sealed = facts.seal_fact(fact_header(fact), fact, PERSON_SIGNER)
        found[f"fact {facts.KINDS[type(fact)]}"] = len(sealed)
    for body in COMMANDS:
        sealed = commands.seal_command(GATEWAY, 1, 1, body, samples.CLOUD_SIGNER)
        found[f"command {commands.KINDS[type(body)]}"] = len(sealed)
    receipt = receipts.seal_receipt(samples.RECEIPT, samples.CLOUD_SIGNER)
    found["receipt"] = len(receipt)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of the contract.")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each rate")
    chosen = parser.parse_args(arguments)
    measured, bytes_of = rates(chosen.seconds), sizes()
    if chosen.json:
        line = {"bench": "contract", "per_second": measured, "bytes": bytes_of}
        sys.stdout.write(json.dumps(line) + "\n")
        return 0
    for name, rate in measured.items():
        sys.stdout.write(f"{name:<28}{rate:>10.0f} /s {1e6 / rate:>8.1f} us\n")
    for name, size in bytes_of.items():
        sys.stdout.write(f"{name:<28}{size:>10} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
