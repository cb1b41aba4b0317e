//! Numbers for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use loom::protocol::control::{Counters, Status};
use loom::unit::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::daemon::status;
use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::catalog::Catalog;
use crate::gateway::problem::{Error, Result};

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "loom";
/// Seconds. Most answers take milliseconds; some are waited for.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 30.0];
/// How runs and attempts may end.
const RUNS: [&str; 5] = ["succeeded", "failed", "cancelled", "lost", "skipped"];
const UNITS: [&str; 9] = [
    "succeeded",
    "failed",
    "signaled",
    "unreachable",
    "timed out",
    "cancelled",
    "crashed",
    "lost",
    "skipped",
];

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Numbers for Prometheus, as OpenMetrics.
///
/// Not for tokens that are limited to jobs. Numbers of HTTP requests are those of the gateway that
/// answers: there is one for the unix socket and one for the network.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "show_metrics",
    tag = "daemon",
    responses((
        status = 200,
        description = "All names begin with `loom_`.",
        body = String,
        content_type = MEDIA_TYPE
    ))
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Extension(meter): Extension<Arc<Meter>>,
) -> Result<impl IntoResponse> {
    caller.unlimited()?;
    let status = status(&app, &caller).await?;
    let catalog = app.shelf.catalog().await;
    let mut registry = Registry::with_prefix(PREFIX);
    let hello = &app.hello;
    daemon(&mut registry, &hello.release, hello.started_at, &catalog);
    present(&mut registry, &status);
    counted(&mut registry, &status.counters);
    let text = text(&[&registry, &meter.registry]).map_err(|e| Error::internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text))
}

fn text(registries: &[&Registry]) -> std::result::Result<String, fmt::Error> {
    let mut text = String::new();
    for registry in registries {
        encode_registry(&mut text, registry)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}

fn daemon(registry: &mut Registry, release: &str, started_at: Timestamp, catalog: &Catalog) {
    let release = vec![("version".to_owned(), release.to_owned())];
    registry.register("build", "The daemon's version", Info::new(release));
    let mut time = |name: &str, help: &str, at: Timestamp| {
        let at = ConstGauge::new(at.as_millisecond() as f64 / 1000.0);
        registry.register_with_unit(name, help, Unit::Seconds, at);
    };
    time("start_time", "When the daemon was started", started_at);
    time("config_time", "When the configuration in force was loaded", catalog.loaded_at);
    gauge(registry, "jobs", "Jobs and flows in the configuration", catalog.jobs.len());
    gauge(registry, "nodes", "Nodes in the configuration", catalog.nodes.len());
}

/// As it is now.
fn present(registry: &mut Registry, status: &Status) {
    let Status { units, busy, workers, .. } = status;
    gauge(registry, "paused", "Whether all schedules are paused", status.paused.into());
    gauge(registry, "stopping", "Whether the daemon is being stopped", status.stopping.into());
    let help = "Runs that have not ended; a flow stands for its parts";
    gauge(registry, "open_runs", help, status.runs);
    let stages = [
        ("recording", units.recording),
        ("held", units.held),
        ("waiting", units.waiting),
        ("running", units.running),
    ];
    gauges(registry, "open_units", "Units by how far they have come", "stage", stages);
    let workers = [("busy", *busy), ("idle", workers.saturating_sub(*busy))];
    gauges(registry, "workers", "Worker processes", "state", workers);
    gauge(registry, "min_workers", "Workers that are kept", status.min_workers as usize);
    gauge(registry, "max_workers", "Workers at most", status.max_workers as usize);
    let connected = status.connected.len();
    gauge(registry, "connections", "Nodes whose connection is up", connected);
    let help = "Records that are not yet known to be on the disk";
    gauge(registry, "ledger_backlog", help, status.backlog as usize);
    let trouble = status.trouble.is_some();
    gauge(registry, "ledger_trouble", "Whether the ledger cannot be written", trouble.into());
    let help = "Whether the last reload was refused";
    gauge(registry, "reload_trouble", help, status.reload_trouble.is_some().into());
}

/// Since the daemon was started.
fn counted(registry: &mut Registry, counters: &Counters) {
    let Counters { runs, units, missed, .. } = counters;
    let help = "Runs that have ended: jobs, flows, and the jobs in these";
    counts(registry, "runs", help, "state", &RUNS, runs);
    counts(registry, "units", "Attempts that have ended", "outcome", &UNITS, units);
    let reasons = Reason::ALL.map(Reason::as_str);
    counts(registry, "missed", "Due instants that were not run", "reason", &reasons, missed);
    let took = ConstCounter::new(counters.unit_millis as f64 / 1000.0);
    registry.register_with_unit("unit_duration", "What attempts took in all", Unit::Seconds, took);
    count(registry, "workers_started", "Worker processes started", counters.workers_started);
    count(registry, "connections_made", "Connections to nodes made", counters.connections_made);
    count(registry, "reloads", "Configurations taken over", counters.reloads);
    count(registry, "reloads_refused", "Configurations refused", counters.reloads_refused);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: usize) {
    registry.register(name, help, ConstGauge::new(value as u64));
}

fn count(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

type Labels = Vec<(String, String)>;

fn gauges<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &str,
    values: [(&str, usize); N],
) {
    let family = Family::<Labels, Gauge<u64, AtomicU64>>::default();
    for (word, value) in values {
        let labels = vec![(label.to_owned(), word.to_owned())];
        family.get_or_create(&labels).set(value as u64);
    }
    registry.register(name, help, family);
}

fn counts(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &str,
    words: &[&str],
    values: &[(String, u64)],
) {
    let family = Family::<Labels, Counter>::default();
    // A rate is only to be had of what was there before it rose.
    for word in words {
        let _ = family.get_or_create(&vec![(label.to_owned(), (*word).to_owned())]);
    }
    for (word, value) in values {
        family.get_or_create(&vec![(label.to_owned(), word.clone())]).inc_by(*value);
    }
    registry.register(name, help, family);
}

/// What this gateway has answered.
pub struct Meter {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

impl Default for Meter {
    fn default() -> Meter {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> _);
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("http_requests", "Requests answered", requests.clone());
        let (name, help) = ("http_request_duration", "Until an answer began");
        registry.register_with_unit(name, help, Unit::Seconds, durations.clone());
        Meter { registry, requests, durations }
    }
}

impl Meter {
    /// `route`: as it is written in the API's description; there must not be ever new ones.
    pub fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::DELETE].contains(method);
        let method = if known { method.as_str() } else { "other" };
        let (method, route) = (method.to_owned(), route.to_owned());
        let asked = Asked { method: method.clone(), route: route.clone() };
        self.durations.get_or_create(&asked).observe(took.as_secs_f64());
        let answered = Answered { method, route, status: status.as_u16() };
        self.requests.get_or_create(&answered).inc();
    }
}

#[cfg(test)]
mod tests {
    use loom::protocol::control::Units;

    use super::*;

    #[test]
    fn all_numbers_have_their_names_and_units() {
        let status = Status {
            paused: true,
            stopping: false,
            runs: 2,
            units: Units { recording: 0, held: 1, waiting: 3, running: 4 },
            workers: 5,
            busy: 4,
            min_workers: 1,
            max_workers: 8,
            connected: vec!["n1".to_owned()],
            backlog: 6,
            trouble: Some("disk full".to_owned()),
            reload_trouble: None,
            counters: Counters {
                runs: vec![("succeeded".to_owned(), 7)],
                units: vec![("timed out".to_owned(), 8)],
                missed: vec![("daemon down".to_owned(), 9)],
                workers_started: 10,
                unit_millis: 1500,
                ..Counters::default()
            },
        };
        let mut registry = Registry::with_prefix(PREFIX);
        let started_at = Timestamp::from_millisecond(1_000_500).unwrap();
        daemon(&mut registry, "1.2.3", started_at, &Catalog::default());
        present(&mut registry, &status);
        counted(&mut registry, &status.counters);
        let meter = Meter::default();
        let strange = Method::from_bytes(b"STRANGE").unwrap();
        meter.count(&Method::GET, "/metrics", StatusCode::OK, Duration::from_millis(3));
        meter.count(&strange, "other", StatusCode::NOT_FOUND, Duration::ZERO);
        let text = text(&[&registry, &meter.registry]).unwrap();
        for line in [
            "loom_build_info{version=\"1.2.3\"} 1",
            "loom_start_time_seconds 1000.5",
            "loom_paused 1",
            "loom_open_units{stage=\"waiting\"} 3",
            "loom_workers{state=\"idle\"} 1",
            "loom_ledger_backlog 6",
            "loom_ledger_trouble 1",
            "loom_runs_total{state=\"succeeded\"} 7",
            "loom_units_total{outcome=\"timed out\"} 8",
            "loom_missed_total{reason=\"daemon down\"} 9",
            "loom_missed_total{reason=\"overlap\"} 0",
            "loom_workers_started_total 10",
            "loom_unit_duration_seconds_total 1.5",
            "loom_http_requests_total{method=\"GET\",route=\"/metrics\",status=\"200\"} 1",
            "loom_http_requests_total{method=\"other\",route=\"other\",status=\"404\"} 1",
            "loom_http_request_duration_seconds_bucket{le=\"0.005\",method=\"GET\",\
             route=\"/metrics\"} 1",
            "# HELP loom_missed Due instants that were not run.",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "no {line} in:\n{text}");
        }
    }
}
