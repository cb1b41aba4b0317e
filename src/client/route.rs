//! Paths of the API, with what is asked for in the query.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use crate::api::BASE;

/// A path below `/api/v1` whose segments and parameters are percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    text: String,
    has_query: bool,
    patience: Duration,
}

impl Route {
    /// `Route::to(["jobs", name, "run"])`: a segment may hold anything.
    pub fn to<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Route {
        let mut text = BASE.to_owned();
        for segment in segments {
            text.push('/');
            encode(segment.as_ref(), &mut text);
        }
        Route { text, has_query: false, patience: Duration::ZERO }
    }

    pub fn with(mut self, name: &str, value: impl Display) -> Route {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(name, &mut self.text);
        self.text.push('=');
        encode(&value.to_string(), &mut self.text);
        self
    }

    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Route {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The answer may take so much longer than usual.
    pub fn patient(mut self, more: Duration) -> Route {
        self.patience += more;
        self
    }

    /// `wait=SECONDS`: the answer comes when there is something to tell, or after that time.
    pub fn wait(self, seconds: u32) -> Route {
        self.with("wait", seconds).patient(Duration::from_secs(seconds.into()))
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}

impl Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All but RFC 3986's unreserved characters. A segment of dots alone would be taken for a step
/// upward, encoded or not, and is left to the daemon to not know.
fn encode(part: &str, into: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(byte.into());
            }
            // A String can be written to.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}
