//! What the parent is told of a unit while it runs.

use loom::protocol::cookie::Rights;
use tokio::sync::oneshot;

/// Told as it happens; of several beginnings the first counts.
#[derive(Debug)]
pub enum Milestone {
    /// A command runs: on the node, in this process group, or here.
    Started { pgid: Option<u32> },
    /// The node has answered that nothing of the earlier units is left there.
    Swept,
    /// Something of the unit is about to get these rights; `kept` once the parent has seen to it
    /// that they are not forgotten.
    Rights { rights: Rights, kept: oneshot::Sender<()> },
    /// The unit is about to make its node go away, and come back.
    Leaving,
    /// It wants its connection again, `anew` if the one there is does not answer.
    Rejoin { anew: bool },
}
