//! Lists in pieces: limits, cursors and the commonest filters. Knows nothing of the page in a
//! browser, which is `web`.

use std::ops::Bound;

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

    /// For lists in the order of names: those after this come next.
    pub fn after(&self) -> (Bound<&str>, Bound<&str>) {
        let from = self.cursor.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (from, Bound::Unbounded)
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

/// Which names are wanted: those that contain a text or, with `*`, `?` or `[` in it, those that a
/// glob matches as a whole.
#[derive(Debug, Clone, Default)]
pub enum Names {
    #[default]
    All,
    With(String),
    Glob(glob::Pattern),
}

impl Names {
    pub fn of(text: Option<&str>) -> Result<Names> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Names::All) };
        if !text.contains(['*', '?', '[']) {
            return Ok(Names::With(text.to_owned()));
        }
        let bad = |e: glob::PatternError| {
            Error::invalid(format!("name: {text:?} is no glob: {}, at {}", e.msg, e.pos))
        };
        glob::Pattern::new(text).map(Names::Glob).map_err(bad)
    }

    pub fn fit(&self, name: &str) -> bool {
        match self {
            Names::All => true,
            Names::With(part) => name.contains(part),
            Names::Glob(glob) => glob.matches(name),
        }
    }
}

/// The words of a list like `failed,lost`, all of which must be known.
pub fn words<'a>(name: &str, text: Option<&str>, known: &[&'a str]) -> Result<Vec<&'a str>> {
    let given = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let word = |word: &str| {
        known.iter().find(|known| **known == word).copied().ok_or_else(|| {
            let hint = loom::config::near(word, known.iter().copied());
            let known = known.join(", ");
            Error::invalid(format!("{name} is any of {known}, not {word:?}{hint}"))
        })
    };
    given.map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_leads_nowhere() {
        let lead = |count: u32| page((0..count).collect(), 3, u32::to_string);
        assert_eq!((lead(3).items.len(), lead(3).next), (3, None));
        assert_eq!((lead(4).items.len(), lead(4).next), (3, Some("2".to_owned())));
        assert_eq!(lead(0).next, None);
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        let paging = |limit, cursor: Option<&str>| Paging { limit, cursor: cursor.map(Into::into) };
        assert_eq!(paging(None, None).limit().unwrap(), 100);
        assert_eq!(paging(Some(1000), None).limit().unwrap(), 1000);
        assert!(
            paging(Some(0), None).limit().is_err() && paging(Some(1001), None).limit().is_err()
        );
        assert_eq!(paging(None, Some("7")).before().unwrap(), Some(7));
        assert!(paging(None, Some("x")).before().is_err());
    }

    #[test]
    fn names_are_found_by_a_part_or_by_a_glob() {
        let fit = |text: &str, name: &str| Names::of(Some(text)).unwrap().fit(name);
        assert!(fit("", "anything") && fit("back", "db-backup") && !fit("Back", "db-backup"));
        assert!(fit("db-*", "db-backup") && !fit("db-*", "my-db-x") && fit("d?", "db"));
        assert!(Names::of(Some("a[")).is_err());
    }

    #[test]
    fn unknown_words_are_named_with_what_was_meant() {
        let known = ["failed", "lost"];
        assert_eq!(words("state", Some("lost, failed,"), &known).unwrap(), ["lost", "failed"]);
        assert!(words("state", None, &known).unwrap().is_empty());
        let said = words("state", Some("faild"), &known).unwrap_err().0.detail;
        assert_eq!(said, "state is any of failed, lost, not \"faild\"; did you mean \"failed\"?");
    }
}
