"""Prometheus metrics: requests by route, the registry, and what is deployed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from muster.http.services import Services
from muster.service.values import InstanceState, VersionFilter

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# They say when this process first saw a series: a line more for each, and no use to anybody.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client gives it no types


class Durations:
    """How long requests took, by method, route and status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "muster_http_request_duration_seconds",
            "Requests by method, route and status",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self._of: dict[tuple[str, str, int], Histogram] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request ended."""
        key = (method, route, status)
        child = self._of.get(key)
        if child is None:
            child = self._of[key] = self._seconds.labels(method, route, str(status))
        child.observe(seconds)


class RegistryMetrics:
    """Read anew at each scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        index = self._services.registry.index
        newest = index.newest()
        yield GaugeMetricFamily("muster_models", "Models", index.count_models())
        yield GaugeMetricFamily("muster_versions", "Versions", index.count_versions(VersionFilter()))
        yield CounterMetricFamily("muster_changes", "Changes recorded", newest.position if newest else 0)
        up_to_date = float(self._services.up_to_date())
        yield GaugeMetricFamily("muster_index_up_to_date", "Whether the index says what Git says", up_to_date)
        under_way = len(list(self._services.deployer.operations.under_way()))
        yield GaugeMetricFamily("muster_operations_under_way", "Deployments under way", under_way)
        followers = self._services.changes.followers
        yield GaugeMetricFamily("muster_event_streams", "Streams of events that are open", followers)
        yield from self._mirror()
        yield from self._webhooks()
        yield from self._deployments()

    def _mirror(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily("muster_mirror_lag_commits", "Changes that the mirror does not have yet")
        lag_s = GaugeMetricFamily("muster_mirror_lag_seconds", "Age of the oldest of these")
        up = GaugeMetricFamily("muster_mirror_up", "Whether the last push to the mirror succeeded")
        failures = CounterMetricFamily("muster_mirror_failures", "Pushes to the mirror that failed")
        if (state := self._services.mirrored()) is not None:
            lag.add_metric((), state.lag)
            lag_s.add_metric((), state.lag_s)
            up.add_metric((), float(not state.failed))
            failures.add_metric((), state.failures)
        yield from (lag, lag_s, up, failures)

    def _webhooks(self) -> Iterator[Metric]:
        name = ("webhook",)
        active = GaugeMetricFamily("muster_webhook_active", "Whether a webhook is told anything", labels=name)
        lag = GaugeMetricFamily(
            "muster_webhook_lag_changes", "Changes that a webhook is not told of yet", labels=name
        )
        delivered = CounterMetricFamily("muster_webhook_deliveries", "Messages delivered", labels=name)
        failed = CounterMetricFamily("muster_webhook_failures", "Attempts that failed", labels=name)
        for standing in self._services.telling.standings():
            labels = (standing.hook.name,)
            active.add_metric(labels, float(standing.hook.disabled is None))
            lag.add_metric(labels, standing.lag)
            delivered.add_metric(labels, standing.hook.delivered)
            failed.add_metric(labels, standing.hook.failed)
        yield from (active, lag, delivered, failed)

    def _deployments(self) -> Iterator[Metric]:
        place = ("environment", "model")
        declared = GaugeMetricFamily(
            "muster_deployment",
            "What is declared or runs, by how it stands",
            labels=(*place, "number", "standing"),
        )
        version = (*place, "number")
        ready = GaugeMetricFamily("muster_instance_ready", "Whether a version is ready", labels=version)
        requests = CounterMetricFamily("muster_instance_requests", "Inference requests", labels=version)
        errors = CounterMetricFamily(
            "muster_instance_errors", "Inference requests that failed", labels=version
        )
        restarts = CounterMetricFamily("muster_instance_restarts", "Workers started anew", labels=version)
        latency = GaugeMetricFamily(
            "muster_instance_latency_ms", "Latency quantiles", labels=(*version, "quantile")
        )
        observer = self._services.observer
        for deployment, _ in self._services.registry.index.deployments():
            where = (deployment.environment, deployment.model)
            standing = observer.status(*where).standing
            declared.add_metric((*where, str(deployment.version), standing), 1)
            for number, states in _by_number(observer.states(*where)).items():
                labels = (*where, str(number))
                ready.add_metric(labels, float(any(state.health == "ready" for state in states)))
                requests.add_metric(labels, sum(state.requests for state in states))
                errors.add_metric(labels, sum(state.errors for state in states))
                restarts.add_metric(labels, sum(state.restarts for state in states))
                for quantile, value in states[0].latency_ms.items():
                    latency.add_metric((*labels, quantile), value)
        for where in observer.undeclared():
            declared.add_metric((*where, "none", observer.status(*where).standing), 1)
        yield from (declared, ready, requests, errors, restarts, latency)


def _by_number(states: Sequence[InstanceState]) -> dict[int, list[InstanceState]]:
    """What is there to stay. A version that is configured anew is there twice, and one series."""
    found: dict[int, list[InstanceState]] = {}
    for state in states:
        if not state.leaving:
            found.setdefault(state.number, []).append(state)
    return found


def exposition(durations: Durations) -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(durations.registry)
