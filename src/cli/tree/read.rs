//! Asks the API for all that is to be known of a flow.

use std::collections::HashMap;

use super::state::{Tree, begun};
use crate::api::run::RunDetail;
use crate::client::{Class, Client, Failure, Route};

pub fn read(client: &Client, flow: u64) -> Result<Tree, Failure> {
    let detail = client.get(&Route::to(["runs", &flow.to_string()]))?;
    complete(client, detail)
}

/// The units of its parts, where there is more to know of them than their number.
pub fn complete(client: &Client, flow: RunDetail) -> Result<Tree, Failure> {
    let mut parts = HashMap::new();
    for run in begun(&flow) {
        match client.get::<RunDetail>(&Route::to(["runs", &run.to_string()])) {
            Ok(detail) => drop(parts.insert(run, detail)),
            // Pruned meanwhile; its numbers are known all the same.
            Err(failure) if failure.class() == Class::Unknown => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Tree::new(flow, parts))
}
