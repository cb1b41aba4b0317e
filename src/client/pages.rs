//! Lists: page after page, until there are no more.

use serde::de::DeserializeOwned;

use super::{Client, Failure, Route};
use crate::api::Page;

/// The pages that are still to come; an error is the last item.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    route: Route,
    cursor: Option<String>,
    done: bool,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(super) fn of(client: Client, route: Route) -> Pages<T> {
        Pages { client, route, cursor: None, done: false, item: Default::default() }
    }

    /// Their items, `most` of them at most.
    pub fn items(self, most: usize) -> impl Iterator<Item = Result<T, Failure>> {
        let items = self.flat_map(|page| match page {
            Ok(page) => page.items.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure)],
        });
        items.take(most)
    }
}

impl<T: DeserializeOwned> Iterator for Pages<T> {
    type Item = Result<Page<T>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let route = self.route.clone().maybe("cursor", self.cursor.as_ref());
        let page: Result<Page<T>, Failure> = self.client.get(&route);
        let before = std::mem::take(&mut self.cursor);
        self.cursor = page.as_ref().ok().and_then(|page| page.next.clone());
        // One that leads to itself would do so for ever.
        self.done = self.cursor.is_none() || self.cursor == before;
        Some(page)
    }
}
