//! Names in the paths of jobs' logs, and what is shown of a hook's URL.

use std::path::{Component, PathBuf};

use jiff::civil::date;
use loom::job::hooks::Url;
use loom::job::log_path::LogPath;
use proptest::prelude::*;

use crate::meter::{KB, bounded};
use crate::runner::fuzz;

fn name() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "..",
        ".",
        "/",
        "../../etc/passwd",
        "{node}",
        "{job}",
        "{",
        "}",
        "\0",
        "\n",
        "a",
        "n1",
        "~",
        "-",
        "\u{202e}",
        "é",
        "{date}",
        "//",
        "\\",
    ]);
    prop_oneof![prop::collection::vec(words, 0..4).prop_map(|words| words.concat()), "(?s:.{0,12})",]
}

/// Neither a job nor a node, whatever it is called, makes a path lead elsewhere.
#[test]
fn names_stay_within_their_part_of_the_path() {
    let pieces =
        prop::sample::select(vec!["{job}", "{node}", "{date}", "logs", "-", ".log", "/", "x"]);
    let template = prop::collection::vec(pieces, 1..8)
        .prop_map(|pieces| format!("/var/log/{}", pieces.concat()));
    fuzz((template, name(), name()), |(template, job, node)| {
        let plain = template.replace("{job}", "j").replace("{node}", "n").replace("{date}", "d");
        let path = bounded(&(&template, &job, &node), 64 * KB, || {
            LogPath(PathBuf::from(&template)).of(&job, &node, date(2026, 11, 20))
        });
        let parts = |path: &std::path::Path| path.components().count();
        assert_eq!(parts(&path), parts(PathBuf::from(plain).as_path()), "{}", path.display());
        let plain = |part: Component| matches!(part, Component::RootDir | Component::Normal(_));
        assert!(path.components().all(plain), "{}", path.display());
    });
}

#[test]
fn of_a_url_only_the_host_is_shown() {
    let secret = || prop::option::of(Just("S3CRET"));
    let scheme = prop::sample::select(vec!["http", "https", "HTTPS"]);
    let host = prop::sample::select(vec!["example.org", "127.0.0.1:8080", "[::1]:80", "höst"]);
    let url = (scheme, secret(), secret(), host, secret(), secret(), secret());
    fuzz(url, |(scheme, user, password, host, path, query, fragment)| {
        let login = match (user, password) {
            (None, None) => String::new(),
            (user, None) => format!("{}@", user.unwrap_or_default()),
            (user, Some(password)) => format!("{}:{password}@", user.unwrap_or_default()),
        };
        let behind =
            |mark: &str, part: Option<&str>| part.map_or(String::new(), |p| format!("{mark}{p}@x"));
        let (path, query) = (behind("/", path), behind("?", query));
        let text = format!("{scheme}://{login}{host}{path}{query}{}", behind("#", fragment));
        let shown = bounded(&text, 64 * KB, || Url(text.clone()).shown());
        assert_eq!(shown, format!("{scheme}://{host}/…"), "{text}");
        assert!(!format!("{:?}", Url(text)).contains("S3CRET"));
    });
}

#[test]
fn urls_made_to_hurt() {
    for text in
        ["", "://", ":", "@", "http://", "http://@", "http://@@", "//", "http:///", "\0", "é://é"]
    {
        bounded(&text, 64 * KB, || Url(text.to_owned()).shown());
    }
    let long = "@/:?#".repeat(100_000);
    bounded(&"long", 8 << 20, || Url(long.clone()).shown());
}
