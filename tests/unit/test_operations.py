"""Deployments under way: one at a time for a model in an environment, each followed step by step."""

from __future__ import annotations

import threading

import pytest

from muster.domain.errors import DidNotStart, NotFound, UnderWay
from muster.service.operations import KEPT, Operation, Operations
from muster.service.submissions import Recorded
from tests.unit.worlds import PATIENCE_S, Clock

DONE = Recorded(None, "digits", 1)


@pytest.fixture
def operations() -> Operations:
    return Operations(Clock())


def begin(operations: Operations, environment: str = "production", model: str = "digits") -> Operation:
    return operations.begin("deploy", environment, (model,), f"Deploy {model} v1 to {environment}")


class TestOperations:
    def test_a_second_one_is_refused_naming_the_first(self, operations: Operations) -> None:
        first = begin(operations)
        with pytest.raises(UnderWay, match="Deploy digits v1 to production is under way") as refused:
            begin(operations)
        assert refused.value.operation == first.id
        assert refused.value.facts() == {
            "environment": "production",
            "model": "digits",
            "what": "Deploy digits v1 to production",
            "operation": first.id,
        }

    def test_other_models_and_environments_are_free(self, operations: Operations) -> None:
        begin(operations)
        begin(operations, environment="staging")
        begin(operations, model="letters")
        assert len(list(operations.under_way())) == 3

    @pytest.mark.parametrize("error", [None, DidNotStart("no")])
    def test_the_next_may_begin_when_it_has_ended(
        self, operations: Operations, error: Exception | None
    ) -> None:
        first = begin(operations)
        operations.end(first, None if error else DONE, error)
        assert not operations.busy("production", "digits")
        assert list(operations.under_way()) == []
        begin(operations)

    def test_its_steps_are_numbered_and_timed(self, operations: Operations) -> None:
        operation = begin(operations)
        operations.step(operation, "starting")
        operations.step(operation, "ready", "process 7")
        operations.end(operation, DONE)
        view = operation.view()
        assert [event["number"] for event in view["events"]] == [1, 2, 3, 4]
        assert [event["step"] for event in view["events"]] == ["checking", "starting", "ready", "done"]
        assert view["events"][2]["detail"] == "process 7"
        assert (view["state"], view["ended"], view["what"]) == (
            "done",
            True,
            "Deploy digits v1 to production",
        )

    def test_a_failed_one_says_why(self, operations: Operations) -> None:
        operation = begin(operations)
        operations.end(operation, None, DidNotStart("it crashed", "Traceback"))
        view = operation.view()
        assert (view["state"], view["commit"]) == ("failed", None)
        assert view["error"] == {
            "code": "did_not_start",
            "message": "it crashed",
            "reason": "it crashed",
            "output": "Traceback",
        }
        with pytest.raises(DidNotStart):
            operation.result()

    def test_who_waits_gets_the_result(self, operations: Operations) -> None:
        operation = begin(operations)
        assert not operation.wait(0)
        waiting = threading.Thread(target=operation.wait, args=(PATIENCE_S,))
        waiting.start()
        operations.end(operation, DONE)
        waiting.join(PATIENCE_S)
        assert not waiting.is_alive()
        assert operation.result() == DONE

    def test_who_hears_of_the_end_finds_all_its_events(self, operations: Operations) -> None:
        operation = begin(operations)
        heard: list[tuple[bool, str]] = []
        operation.listeners.append(lambda: heard.append((operation.ended, operation.events[-1].step)))
        operations.step(operation, "starting")
        operations.end(operation, DONE)
        assert heard == [(False, "starting"), (True, "done")]

    def test_a_repeated_request_has_an_operation_that_has_ended(self, operations: Operations) -> None:
        begin(operations)
        operation = operations.answered("deploy", "production", ("digits",), DONE)
        assert operations.get(operation.id).result() == DONE
        assert operations.busy("production", "digits")

    def test_an_unknown_one_is_not_found(self, operations: Operations) -> None:
        with pytest.raises(NotFound, match="forgotten at a restart"):
            operations.get("nothing")

    def test_the_oldest_that_ended_are_forgotten_first(self, operations: Operations) -> None:
        running = begin(operations, model="running")
        ended = []
        for _ in range(KEPT + 5):
            operation = begin(operations)
            operations.end(operation, DONE)
            ended.append(operation)
        assert operations.get(running.id) is running
        assert operations.get(ended[-1].id) is ended[-1]
        with pytest.raises(NotFound):
            operations.get(ended[0].id)
