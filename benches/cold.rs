//! Cold, 50 nodes: everything from nothing, against `xargs -P10 ssh`.

use crate::harness::Farm;
use crate::masters::{self, NODE, wrapped};
use crate::sites;
use crate::table::{Table, Target, median};
use crate::timed::timed;

const NODES: usize = 50;
const AT_ONCE: usize = 10;
const ROUNDS: usize = 3;

pub fn measure(table: &mut Table) {
    let farm = Farm::start(NODES);
    let (site, jobs) = sites::units(&farm, 1, "task: loom.run, args: ['true']");
    let line = wrapped("true");
    let (mut loom, mut xargs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        xargs.push(plain_ssh(&farm, &line));
        loom.push(timed(site.loom(&["once"]).args(&jobs)).wall);
    }
    let ratios = loom.iter().zip(&xargs).map(|(loom, xargs)| loom / xargs).collect();
    table.add("cold: loom once against xargs -P10 ssh", median(ratios), "", Target::AtMost(1.1));
    table.add("  loom once, 50 nodes", median(loom), " s", Target::None);
    table.add("  xargs -P10 ssh, 50 nodes", median(xargs), " s", Target::None);
}

/// Every node has a port of its own, so that the list holds it with the address.
fn plain_ssh(farm: &Farm, line: &str) -> f64 {
    let some = farm.ssh("n1");
    let mut ssh: Vec<String> =
        ["ssh"].into_iter().map(String::from).chain(some.get_args().map(text)).collect();
    // The last three are the port and the address, `-n` takes the stdin away that the lease needs.
    ssh.truncate(ssh.len() - 3);
    ssh.retain(|arg| arg != "-n");
    ssh.extend([NODE.to_owned(), line.to_owned()]);
    let address = |name: &String| {
        let node = farm.node(name);
        format!("ssh://{}:{}\n", node.ip, node.port)
    };
    let list: String = farm.names().iter().map(address).collect();
    masters::xargs(farm.root(), &list, AT_ONCE, &ssh)
}

fn text(arg: &std::ffi::OsStr) -> String {
    arg.to_str().unwrap().to_owned()
}
