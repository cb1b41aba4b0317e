//! `loom.script`: a local script, sent to the node and run there.

use super::{Arguments, Context, TaskResult};

pub async fn script(_context: &mut Context, arguments: Arguments<'_>) -> TaskResult {
    arguments.finish()
}
