//! The whole API against its own description, by schemathesis: `make test` installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Place, address, token};
use crate::harness::skip::skip;
use crate::harness::{Daemon, Farm, Site, process};

const LIMIT: Duration = Duration::from_secs(300);

/// What is asserted, and what is not:
/// - a request may fit the description and make no sense all the same (a name that is taken, a
///   glob that is none, a run that has ended): 400 is as good an answer as any;
/// - the daemon is not stopped. Nor do those who revoke tokens know of the one that is ours: they
///   come upon every name that they were ever told;
/// - a stream of events has no end that could be waited for.
///
/// The same seed gives the same requests.
const CONFIG: &str = "\
seed = 4
color = false
max-failures = 20
continue-on-failure = true
request-timeout = 20

[headers]
Authorization = \"Bearer ${LOOM_TOKEN}\"

[generation]
max-examples = 30
no-shrink = true
database = \"none\"

[checks.positive_data_acceptance]
expected-statuses = [\"2xx\", 400, 403, 404, 409]
";

const REVOKE: &str = "revoke_token";
const LEFT_OUT: &str = "/stop$|/events$|/output$";
const RUNS: [&[&str]; 2] = [
    &["--exclude-operation-id", REVOKE, "--exclude-path-regex", LEFT_OUT],
    &["--include-operation-id", REVOKE, "--include-operation-id", "add_token"],
];

#[test]
fn the_api_is_what_its_description_says() {
    let Some(schemathesis) = executable() else {
        return skip("schemathesis", "it is not installed: run `make schemathesis`");
    };
    let address = address();
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings(&format!("listen: {address}\n"));
    site.write_command("harmless", "true", &["n1"]);
    let mut daemon = Daemon::start(&site);
    let token = token(&site, "the-one-that-tries-it-all", "admin", &[]);
    site.write("schemathesis.toml", CONFIG);
    for run in RUNS {
        let mut command = Command::new(&schemathesis);
        command.current_dir(site.root()).arg("--config-file").arg(site.path("schemathesis.toml"));
        command.arg("run").arg(format!("http://{address}/api/v1/openapi.json")).args(run);
        // The token is in the environment, and not among the arguments for all to see.
        command.env("LOOM_TOKEN", &token).env("NO_COLOR", "1");
        let output = process::run(&mut command, LIMIT);
        let told = String::from_utf8_lossy(&output.stdout);
        println!("{told}");
        assert!(output.status.success(), "{}\n{told}", output.status);
        assert!(told.contains("Fuzzing (in"), "it did not try: {told}");
        // It was let in to the end.
        Place::remote(address, &token).get("whoami").expect(200);
    }
    assert!(!daemon.log().text().contains("panicked"), "{}", daemon.log().text());
    daemon.stop();
}

/// Where `tests/install/schemathesis.sh` puts it: beside what cargo builds.
fn executable() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let found = target.join("schemathesis/bin/st");
    fs::exists(&found).unwrap_or(false).then_some(found)
}
