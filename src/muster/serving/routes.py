"""Where the traffic goes, and what went there: shared by targets, which write, and the gateway."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from muster.service.values import Endpoint, Usage
from muster.serving.meter import Meter

_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RouteTable(Collector):
    """Implements `Routes`. Also a collector of prometheus_client: register it to have `/metrics` show it."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._routes: dict[tuple[str, str], Endpoint] = {}
        self._meters: dict[str, Meter] = {}
        self._workers: dict[str, dict[str, Meter]] = {}  # by key and socket
        self._labels: dict[str, tuple[str, str, str]] = {}
        self._watchers: tuple[Callable[[], None], ...] = ()

    def switch(self, environment: str, model: str, endpoint: Endpoint | None) -> None:
        with self._writing:
            at = (environment, model)
            if endpoint is None:
                self._routes.pop(at, None)
            else:
                if endpoint.key not in self._meters:
                    self._labels[endpoint.key] = (environment, model, str(endpoint.number))
                    self._meters[endpoint.key] = Meter()
                # A worker that was replaced takes its counts along: no socket is used twice.
                before = self._workers.get(endpoint.key, {})
                self._workers[endpoint.key] = {
                    socket: before.get(socket) or Meter() for socket in endpoint.sockets
                }
                self._routes[at] = endpoint
        for watcher in self._watchers:
            watcher()

    def route(self, environment: str, model: str) -> Endpoint | None:
        """Where a request must go that is sent now."""
        return self._routes.get((environment, model))

    def meter(self, key: str) -> Meter:
        """What to count a request on; one of its own if the endpoint has just been forgotten."""
        return self._meters.get(key) or Meter()

    def worker_meter(self, key: str, socket: str) -> Meter:
        """The same for one worker of the endpoint."""
        return self._workers.get(key, {}).get(socket) or Meter()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher`, on whatever thread, after every switch."""
        with self._writing:
            self._watchers = (*self._watchers, watcher)

    def usage(self, key: str, socket: str | None = None) -> Usage:
        meter = self._meters.get(key) if socket is None else self._workers.get(key, {}).get(socket)
        if meter is None:
            return Usage()
        return Usage(meter.in_flight, meter.requests, meter.errors, meter.quantiles_ms())

    def forget(self, key: str) -> None:
        with self._writing:
            self._meters.pop(key, None)
            self._workers.pop(key, None)
            self._labels.pop(key, None)

    def describe(self) -> list[Metric]:
        return []  # the same families whatever there is; nothing to collect at registration

    def collect(self) -> Iterator[Metric]:
        labels = ["environment", "model", "version"]
        latency = HistogramMetricFamily(
            "muster_serving_latency_seconds", "Time from a complete request to its answer.", labels=labels
        )
        errors = CounterMetricFamily("muster_serving_errors", "Requests answered with 5xx.", labels=labels)
        with self._writing:
            meters = [(self._labels[key], meter) for key, meter in self._meters.items()]
        for values, (seconds, failed, counts) in _summed(meters).items():
            buckets = [(str(bound), float(count)) for bound, count in zip(_BOUNDS_S, counts, strict=False)]
            latency.add_metric(values, [*buckets, ("+Inf", float(counts[-1]))], sum_value=seconds)
            errors.add_metric(values, failed)
        yield latency
        yield errors


def _summed(
    meters: list[tuple[tuple[str, str, str], Meter]],
) -> dict[tuple[str, str, str], tuple[float, int, list[int]]]:
    """Instances of one version, as after a change of configuration, are one time series."""
    series: dict[tuple[str, str, str], tuple[float, int, list[int]]] = {}
    for labels, meter in meters:
        counts = [*(meter.at_most(bound) for bound in _BOUNDS_S), meter.requests]
        seconds, failed, before = series.get(labels, (0.0, 0, [0] * len(counts)))
        summed = [old + new for old, new in zip(before, counts, strict=True)]
        series[labels] = (seconds + meter.seconds, failed + meter.errors, summed)
    return series
