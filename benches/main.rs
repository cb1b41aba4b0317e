//! `make bench`: what a unit costs, side by side with the bare tools on the same masters.
//!
//! Machines differ and are busy, so speed is told as ratios of things measured in turn in one
//! run. Arguments choose among the measures: `cargo bench --bench units -- warm idle`.

#[path = "../tests/harness/mod.rs"]
mod harness;
// What the tests of the page look at it with.
#[path = "../tests/page/browser.rs"]
mod browser;
#[path = "../tests/page/scene.rs"]
#[allow(dead_code)]
mod scene;

mod api;
mod bridge;
mod cold;
mod flow;
mod idle;
mod load;
mod masters;
mod memory;
mod page;
mod share;
mod sites;
mod table;
mod timed;
mod warm;

use browser::Browser;
use table::Table;

type Measure = (&'static str, fn(&mut Table));

const MEASURES: [Measure; 9] = [
    ("warm", warm::measure),
    ("cold", cold::measure),
    ("bridge", bridge::measure),
    ("load", load::measure),
    ("memory", memory::measure),
    ("api", api::measure),
    ("flow", flow::measure),
    ("page", page::measure),
    ("idle", idle::measure),
];

fn main() {
    // Cargo adds `--bench` of its own.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let mut table = Table::default();
    for (name, measure) in MEASURES {
        if chosen.is_empty() || chosen.iter().any(|choice| choice == name) {
            eprintln!("measuring: {name}");
            measure(&mut table);
        }
    }
    table.print();
}
