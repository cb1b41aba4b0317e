//! Nodes: where things run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::unit::Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    pub name: String,
    pub host: String,
    pub user: String,
    #[serde(default)]
    pub port: Option<u16>,
    pub tags: Vec<String>,
    /// Its connection is up.
    pub connected: bool,
    /// When it was last known to answer.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_contact: Option<Timestamp>,
    /// Its latest unit that did not succeed, without its output.
    #[serde(default)]
    pub last_failure: Option<Unit>,
    /// Units that have failed there since one succeeded; 50 stands for as many or more.
    pub failures_in_a_row: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeDetail {
    #[serde(flatten)]
    pub node: Node,
    /// Names of the jobs that run there.
    pub jobs: Vec<String>,
    /// All its keys, as `loom check --dump` prints them; secrets are masked.
    #[schema(value_type = Object)]
    pub manifest: Value,
    /// Its latest units, the newest first, 20 at most.
    pub units: Vec<Unit>,
}
