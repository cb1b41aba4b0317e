//! Asking a daemon, over its API: the local one through its socket, another by its URL.
//!
//! Blocking, for the command line, which is over when it has its answer. Requests that may be made
//! twice without harm are made again when a gateway goes away under them. What is asked and what is
//! answered is `api`'s; how it is shown, and what a failure means for an exit status besides its
//! [class](Failure::class), is the command line's.

mod authorities;
mod events;
mod failure;
mod http;
mod pages;
mod piece;
mod place;
mod route;
mod socket;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use authorities::authorities;
pub use events::{Events, Frame};
pub use failure::{Class, Failure};
pub use pages::Pages;
pub use place::Place;
pub use route::Route;

use http::Http;

/// How long a connection and an answer may take; a stream takes as long as it takes.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// Pauses before a request is made again whose connection was lost. A gateway that was killed is
/// back within a second.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
];

/// Where the daemon is, and what is shown to it.
#[derive(Debug, Default)]
pub struct Options {
    /// Possible configuration files, by which the local daemon is found.
    pub candidates: String,
    /// `unix:PATH`, `http://…` or `https://…`; without it, or as `local`, the daemon of this
    /// machine and configuration.
    pub host: Option<String>,
    pub token: Option<SecretString>,
    /// In place of `token`.
    pub token_file: Option<PathBuf>,
    /// Trusted besides nothing else, in place of the system's authorities.
    pub cacert: Option<PathBuf>,
    /// For an answer, in place of 30 seconds.
    pub patience: Option<Duration>,
}

/// Cheap to clone; may be used by several threads at once.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    patience: Duration,
}

impl Client {
    /// Finds out where the daemon is; nothing is sent yet.
    pub fn connect(options: &Options) -> Result<Client, Failure> {
        let place = Place::find(options)?;
        let patience = options.patience.unwrap_or(ANSWER);
        Ok(Client { http: Http::to(place, options)?, patience })
    }

    pub fn place(&self) -> &Place {
        self.http.place()
    }

    pub fn get<T: DeserializeOwned>(&self, route: &Route) -> Result<T, Failure> {
        let within = self.patience + route.patience();
        self.again(|| self.http.get(route, within)).and_then(|body| self.understand(&body))
    }

    /// With a key the request is carried out once, however often the connection is lost; without
    /// one it is sent once.
    pub fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        route: &Route,
        body: &B,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let within = self.patience + route.patience();
        let body = serde_json::to_vec(body).map_err(|e| Failure::odd(e.to_string()))?;
        let send = || self.http.post(route, &body, key, within);
        let answer = if key.is_some() { self.again(send) } else { send() };
        answer.and_then(|answer| self.understand(&answer))
    }

    pub fn delete<T: DeserializeOwned>(&self, route: &Route) -> Result<T, Failure> {
        let answer = self.http.delete(route, self.patience + route.patience());
        answer.and_then(|answer| self.understand(&answer))
    }

    /// The pages of a list, each asked for when it is wanted.
    pub fn pages<T: DeserializeOwned>(&self, route: &Route) -> Pages<T> {
        Pages::of(self.clone(), route.clone())
    }

    /// The items of a list, `most` of them at most.
    pub fn list<T: DeserializeOwned>(&self, route: &Route, most: usize) -> Result<Vec<T>, Failure> {
        self.pages(route).items(most).collect()
    }

    /// A stream of server-sent events that goes on for as long as it is read: after a lost
    /// connection, and after the stream's end as well, it is asked for anew from where it was. An
    /// error is the last item.
    pub fn events(&self, route: &Route) -> Events {
        Events::of(self.clone(), route.clone(), None)
    }

    /// [`Client::events`], from behind the event of this id.
    pub fn events_after(&self, route: &Route, id: Option<String>) -> Events {
        Events::of(self.clone(), route.clone(), id)
    }

    /// The body as it comes, for as long as it takes.
    pub fn bytes(&self, route: &Route) -> Result<Box<dyn Read + Send>, Failure> {
        self.again(|| self.http.stream(route, "*/*", None, None))
    }

    fn again<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        for pause in PAUSES {
            match ask() {
                Err(failure) if failure.is_passing() => thread::sleep(pause),
                answer => return answer,
            }
        }
        ask()
    }

    /// An empty answer is `null`.
    fn understand<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        let body = if body.is_empty() { b"null" } else { body };
        serde_json::from_slice(body).map_err(|e| {
            let daemon = self.place();
            Failure::odd(format!("what {daemon} answers cannot be understood: {e}"))
        })
    }
}

/// A key for a request that must not be carried out twice.
pub fn new_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Failure::odd(format!("/dev/urandom: {e}")))?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
