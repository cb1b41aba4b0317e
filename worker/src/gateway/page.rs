//! Pages: limits and cursors of lists.

use loom::api::{LIMIT, MAX_LIMIT, Page};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Error, Result};

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items to a page, 1 to 1000; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    pub fn limit(&self) -> Result<usize> {
        match self.limit.unwrap_or(LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit as usize),
            limit => Err(Error::invalid(format!("limit is from 1 to {MAX_LIMIT}, not {limit}"))),
        }
    }

    /// For lists in the order of descending ids: those below this come next.
    pub fn before(&self) -> Result<Option<u64>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let not_ours = |_| Error::invalid(format!("{cursor:?} is no cursor of this list"));
        cursor.parse().map(Some).map_err(not_ours)
    }
}

/// `items`: one more than `limit`, if there are more. `key`: where the next page begins.
pub fn page<T>(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(key) } else { None };
    Page { items, next }
}
