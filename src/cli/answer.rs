//! Answers of the API: as the JSON they came in, or as what it stands for.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::screen::print_json;
use crate::api::{MAX_LIMIT, Page};
use crate::client::{Client, Failure, Route};

/// Items of a list, and whether there are more than were asked for.
pub struct List<T> {
    pub items: Vec<T>,
    pub more: bool,
}

/// The list's first items, `most` of them at most.
pub fn list<T: DeserializeOwned>(
    client: &Client,
    route: &Route,
    most: usize,
) -> Result<List<T>, Failure> {
    let limit = most.clamp(1, MAX_LIMIT as usize);
    let mut items = Vec::new();
    for page in client.pages(&route.clone().with("limit", limit)) {
        let Page { items: some, next } = page?;
        items.extend(some);
        if items.len() >= most {
            let more = items.len() > most || next.is_some();
            items.truncate(most);
            return Ok(List { items, more });
        }
    }
    Ok(List { items, more: false })
}

/// Prints it, as it came, if that is wanted; else says what it is.
pub fn or_json<T: DeserializeOwned>(answer: Value, json: bool) -> Result<Option<T>, Failure> {
    if json {
        return print_json(&answer).map(|()| None);
    }
    typed(answer).map(Some)
}

/// Of what was done to each of several things. Where the API has nothing to say, nothing is printed.
pub fn print_answers(answers: Vec<Value>) -> Result<(), Failure> {
    let said: Vec<Value> = answers.into_iter().filter(|answer| !answer.is_null()).collect();
    if said.is_empty() { Ok(()) } else { print_json(&said) }
}

/// [`print_answers`] of one.
pub fn print_answer(answer: &Value) -> Result<(), Failure> {
    if answer.is_null() { Ok(()) } else { print_json(answer) }
}

pub fn typed<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|e| Failure::odd(format!("the daemon's answer cannot be understood: {e}")))
}

/// A list as one array, or typed.
pub fn all_or_json<T: DeserializeOwned>(
    answers: Vec<Value>,
    json: bool,
) -> Result<Option<Vec<T>>, Failure> {
    if json {
        return print_json(&answers).map(|()| None);
    }
    answers.into_iter().map(typed).collect::<Result<Vec<T>, Failure>>().map(Some)
}
