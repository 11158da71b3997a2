"""The models that are served, the probe `load`, and the suite."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import torch
from load_rigs import Formula

from dsbench.backends import BACKENDS, Backend, fake
from dsbench.backends.fake import FakeBackend
from dsbench.load.arrivals import arrivals
from dsbench.load.serving import serve
from dsbench.load.virtual import VirtualClock
from dsbench.metrics import evaluate
from dsbench.probes import RUN, Budget, Prepared, Workload
from dsbench.records import Case, Measurement, Status
from dsbench.registry import Benchmark, benchmark, builtin_suites, load
from reference_models.batching.decoding import Decoding
from reference_models.batching.model import GAP, Pool, decoder, greedy, pool, prompts
from reference_models.batching.policies import Adaptive, Continuous, Policy, Static
from reference_models.batching.scoring import Scoring


@pytest.fixture(scope="module")
def asked() -> Pool:
    random = Random(0)
    model = decoder("cpu", 0, width=32)
    return pool(model, prompts(24, 6, "cpu", 0), [random.randint(1, 9) for _ in range(24)])


class Ticking(VirtualClock):
    """Time passes by a millisecond whenever somebody looks."""

    def now(self) -> float:
        self.time += 1e-3
        return self.time


def decoding(asked: Pool, slots: int = 5) -> Decoding:
    return Decoding(decoder("cpu", 0, width=32), asked, slots)


@pytest.mark.parametrize("policy", [Policy(size=1), Static(size=4), Continuous(size=5)])
def test_answers_are_the_same_tokens_in_any_company(asked: Pool, policy: Policy) -> None:
    engine = decoding(asked)
    served = serve(engine, policy, arrivals("bursty", 2e3, 60, seed=1), Ticking())
    assert served.answers == {request: engine.alone(request) for request in range(60)}
    sizes = {inside for _, inside in served.steps}
    assert max(sizes) == policy.size


def test_what_memory_held_before_changes_no_answer(asked: Pool) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # which fills memory that is taken with not-a-number
    try:
        engine = decoding(asked)
        served = serve(engine, Continuous(size=5), arrivals("bursty", 2e3, 30, seed=1), Ticking())
    finally:
        torch.use_deterministic_algorithms(before)
    assert served.answers == {request: engine.alone(request) for request in range(30)}


def test_answers_follow_from_the_whole_prompt() -> None:
    model, prompt = decoder("cpu", 0, width=32), prompts(1, 6, "cpu", 0)[0]
    others = [torch.cat([first[None], prompt[1:]]) for first in torch.arange(20)]
    assert len({greedy(model, other, 6)[0] for other in others}) > 15


def test_a_request_stays_for_as_many_steps_as_its_answer_has_tokens(asked: Pool) -> None:
    engine = decoding(asked)
    for request in range(8):
        steps = 1
        done = engine.step([request])
        while not done:
            done = engine.step([])
            steps += 1
        assert steps == engine.steps(request) == len(done[request])


def test_more_than_fit_are_refused(asked: Pool) -> None:
    with pytest.raises(ValueError, match="0 requests in 5 slots and 6 more"):
        decoding(asked).step(range(6))


def test_a_decoder_that_mixes_rows_up_gives_other_tokens(asked: Pool) -> None:
    class Careless(Decoding):
        """Forgets to move the last row's keys into the place of one that left."""

        def _leave(self) -> dict[int, Any]:
            keys = self._cache.keys.clone()
            done = super()._leave()
            self._cache.keys.copy_(keys)
            return done

    engine = Careless(decoder("cpu", 0, width=32), asked, 5)
    served = serve(engine, Continuous(size=5), [0.0] * 40, VirtualClock())
    assert served.answers != {request: engine.alone(request) for request in range(40)}


def test_prompts_whose_answer_hangs_on_rounding_are_left_out() -> None:
    model = decoder("cpu", 0, width=32)
    some = prompts(24, 6, "cpu", 0)
    kept = pool(model, some, [4] * 24)
    assert all(greedy(model, prompt, 4)[1] > GAP for prompt in kept.prompts)
    with pytest.raises(ValueError, match="no prompt of 2"):
        pool(flat(model), some[:2], [1, 1])


def flat(model: Any) -> Any:
    """The same model with all tokens alike, so that every answer is a tie."""
    with torch.no_grad():
        model.token_embd.weight.copy_(model.token_embd.weight[:1].expand_as(model.token_embd.weight))
    return model


def test_scoring_answers_a_batch_as_it_answers_each(asked: Pool) -> None:
    model = decoder("cpu", 0, width=32)
    single = pool(model, asked.prompts, [1] * len(asked.prompts))
    engine = Scoring(model, single)
    assert engine.step(range(40)) == {request: engine.alone(request) for request in range(40)}


def measured(
    answer: Mapping[str, Any], backend: Backend | None = None, budget: Budget | None = None
) -> Measurement:
    @benchmark(candidates={"served": lambda: answer}, baseline="served", probes=("load",))
    def requests(device: str, seed: int) -> Mapping[str, Any]:
        return {}

    (case,) = requests.cases("fake", quick=False)
    workload = Workload(requests, case, backend or FakeBackend(), seed=0)
    prepared = Prepared(case, workload, 0, requests.candidates["served"].function)
    return RUN["load"](prepared, budget or Budget())


def serving(**changes: Any) -> dict[str, Any]:
    engine = Formula(fake.spend, fixed=0.010, each=0.0005)
    return {"engine": engine, "policy": lambda: Policy(size=32), "slo": 0.05, "largest": 32, **changes}


def test_at_a_rate_the_probe_gives_every_number_but_the_highest_rate() -> None:
    found = measured(serving(rate=500.0))
    assert found.status is Status.OK
    metrics = {name: estimate.value for name, estimate in evaluate(found).items()}
    assert set(metrics) == {
        "latency_p50",
        "latency_p95",
        "latency_p99",
        "latency_p99_closed",
        "goodput",
        "queue_share",
        "batch_size",
        "busy_share",
    }
    assert metrics["goodput"] == pytest.approx(500, rel=0.1)
    assert 0.010 < metrics["latency_p50"] < metrics["latency_p99"] < 0.05
    assert found.notes["slo"] == 0.05
    assert found.notes["late_p99"] == pytest.approx(0, abs=1e-9)


def test_an_overload_is_a_measurement_whose_closed_loop_looks_well() -> None:
    found = measured(serving(rate=500.0, policy=Policy, clients=1))
    metrics = {name: estimate.value for name, estimate in evaluate(found).items()}
    assert metrics["latency_p99"] > 10 * metrics["latency_p99_closed"]
    assert found.notes["unanswered"] != 0
    assert metrics["goodput"] < 95


def test_without_a_rate_the_highest_is_searched_for_and_batching_raises_it() -> None:
    alone, adaptive = (
        measured(serving(policy=policy)) for policy in (Policy, lambda: Adaptive(size=32, slo=0.05))
    )
    rates = [evaluate(one)["rate_at_slo"].value for one in (alone, adaptive)]
    assert rates[1] > 5 * rates[0]
    assert 40 < rates[0] < 95
    assert adaptive.readings["rate_predicted"][0].value == pytest.approx(rates[1], rel=0.35)


def test_a_promise_that_no_rate_keeps_is_unsupported_with_the_reason() -> None:
    found = measured(serving(slo=0.005))
    assert found.status is Status.UNSUPPORTED
    assert found.reason == (
        "no rate from 6.67 requests a second on was found at which 99 % of answers come within 5 ms"
    )


def test_a_rate_too_low_to_be_watched_is_not_searched_for_hours() -> None:
    slow, began = Formula(fake.spend, fixed=1.0), FakeBackend().now()
    found = measured(serving(engine=slow, policy=Policy, slo=2.5), budget=Budget(max_time=0.15))
    assert found.status is Status.UNSUPPORTED
    assert FakeBackend().now() - began < 60


def test_an_answer_that_differs_from_the_one_alone_is_wrong() -> None:
    class Careless(Formula):
        def alone(self, request: int) -> int:
            return min(request, 150)

    found = measured(serving(engine=Careless(fake.spend), rate=50.0))
    assert found.status is Status.WRONG
    assert found.reason == "request 151 was answered 151, and alone 150"


def test_a_generator_that_wakes_up_late_makes_the_measurement_unstable() -> None:
    class Sleepy(FakeBackend):
        def wait(self, moment: float) -> None:
            super().wait(moment + 0.006)

    found = measured(serving(rate=20.0), Sleepy())
    assert found.status is Status.UNSTABLE
    assert found.reason.startswith("the load generator woke up 6.0 ms late")


@pytest.mark.parametrize(
    ("answer", "why"),
    [({"engine": None}, "wants a mapping with 'engine'"), (serving(speed=3), "knows no speed")],
)
def test_a_candidate_that_answers_with_something_else_is_told_what_is_wanted(answer: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        measured(answer)


def declared() -> list[tuple[Benchmark, Case]]:
    """A few cases of each benchmark."""
    suite = load(builtin_suites() / "batching.py")
    return [
        (one, case)
        for one in suite.benchmarks.values()
        for case in one.cases("cpu", quick=False)
        if case.candidate in ("greedy", "adaptive", "continuous")
        and case.at["arrivals"] == "poisson"
        and case.at.get("rate") in (None, 800)
    ]


@pytest.mark.parametrize(("one", "case"), declared(), ids=lambda one: getattr(one, "candidate", one.name))
def test_the_suite_serves_the_real_model_with_right_answers(one: Benchmark, case: Case) -> None:
    workload = Workload(one, case, BACKENDS["cpu"](), seed=0)
    function = one.candidates[case.candidate].function
    found = RUN["load"](Prepared(case, workload, 0, function), Budget(once=True))
    assert found.status.has_numbers, found.reason
