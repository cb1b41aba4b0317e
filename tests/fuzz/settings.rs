//! Durations, sizes and ssh options, as loom.yaml has them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use loom::config::{self, Config};
use proptest::prelude::*;

use crate::meter::{MB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const WORDS: &[&str] = &[
    "d",
    "h",
    "m",
    "s",
    "k",
    "KiB",
    "MB",
    "G",
    "TB",
    "-",
    "+",
    ".",
    "_",
    " ",
    "e9",
    "0x",
    "∞",
    "９",
    "99999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "0",
    "1",
    "%",
    "\u{200b}",
];

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::write(home.path("nodes.yaml"), "web1: {user: root}\n").unwrap();
        fs::create_dir(home.path("jobs")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, more: &str) -> Option<Config> {
        let text = format!("nodesfile: nodes.yaml\njobspath: jobs\n{more}\n");
        fs::write(self.path("loom.yaml"), &text).unwrap();
        let path = self.path("loom.yaml");
        bounded(&text, 4 * MB, || config::load(path.to_str().unwrap()).ok().map(|l| l.config))
    }

    /// What the text means as the value of a key.
    fn read<T>(&self, key: &str, text: &str, value: fn(Config) -> T) -> Option<T> {
        // JSON's strings are YAML's.
        let text = serde_json::to_string(text).unwrap();
        self.load(&format!("{key}: {text}")).map(value)
    }
}

/// Units from large to small, each at most once, with a count before it.
fn duration() -> impl Strategy<Value = (String, u64)> {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    prop::collection::vec(prop::option::of(0u64..200), 4).prop_map(move |counts| {
        let mut written = (String::new(), 0);
        for ((unit, seconds), count) in units.iter().zip(counts) {
            if let Some(count) = count {
                written.0 += &format!("{count}{unit}");
                written.1 += count * seconds;
            }
        }
        written
    })
}

const DAY: u64 = 86_400;

#[test]
fn durations_are_the_sum_of_their_parts() {
    let home = Home::new();
    fuzz(duration(), |(text, seconds)| {
        let read = home.read("stop_timeout", &text, |config| config.settings.stop_timeout);
        let expected = (seconds <= DAY).then(|| Duration::from_secs(seconds));
        // A value that is quoted and empty is refused.
        assert_eq!(read, expected.filter(|_| !text.is_empty()), "{text:?}");
    });
}

#[test]
fn sizes_are_products() {
    let home = Home::new();
    let unit = (0u64..2_000_000, 0u32..5, any::<bool>(), any::<bool>(), any::<bool>());
    fuzz(unit, |(count, power, binary, byte, upper)| {
        let letter = ["", "k", "m", "g", "t"][power as usize];
        let i = if binary && power > 0 { "i" } else { "" };
        let mut text = format!("{count}{letter}{i}{}", if byte { "b" } else { "" });
        if upper {
            text = text.to_uppercase();
        }
        let base: u128 = if i.is_empty() { 1000 } else { 1024 };
        let bytes = u128::from(count) * base.pow(power);
        let expected = (1000..=1_000_000_000_000).contains(&bytes).then_some(bytes as u64);
        let read = home.read("max_output", &text, |config| config.settings.max_output);
        assert_eq!(read, expected, "{text}");
    });
}

#[test]
fn mutated_values_are_within_their_bounds_or_refused() {
    let home = Home::new();
    let valid = prop_oneof![duration().prop_map(|(text, _)| text), "[0-9]{1,20}[kMGT]?i?B?"];
    fuzz(mutate::text(valid, WORDS), |text| {
        if let Some(time) = home.read("idle_timeout", &text, |c| c.settings.idle_timeout) {
            assert!((1..=DAY).contains(&time.as_secs()) && time.subsec_nanos() == 0, "{text:?}");
            // Nothing that reads as a number in another way: signs, blanks, fractions.
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b"dhms".contains(&b)), "{text:?}");
        }
        if let Some(size) = home.read("max_output", &text, |c| c.settings.max_output) {
            assert!((1000..=1_000_000_000_000).contains(&size), "{text:?}");
            assert!(text.starts_with(|c: char| c.is_ascii_digit()), "{text:?}");
        }
        for key in ["max_workers", "timezone", "log_format", "datafile", "statedir", "listen"] {
            home.read(key, &text, drop);
        }
    });
}

/// Whatever it is written as, nothing is opened to a network in the clear unless that is said.
#[test]
fn listen_is_this_machine_alone_unless_more_is_said() {
    const WORDS: &[&str] = &[
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "::",
        "*",
        ":",
        "7411",
        "%1",
        "-",
        "0",
    ];
    let home = Home::new();
    let valid = (prop::sample::select(WORDS), any::<u16>());
    let text = mutate::text(valid.prop_map(|(host, port)| format!("{host}:{port}")), WORDS);
    fuzz((text, any::<bool>(), any::<bool>()), |(text, mapping, plaintext)| {
        let address = serde_json::to_string(&text).unwrap();
        let written = match mapping {
            true => format!("listen: {{address: {address}, plaintext: {plaintext}}}"),
            false => format!("listen: {address}"),
        };
        let Some(listen) = home.load(&written).and_then(|config| config.settings.listen) else {
            return;
        };
        let loopback = listen.address.ip().to_canonical().is_loopback();
        assert!(loopback || (mapping && plaintext), "{written}: {listen:?}");
        assert_ne!(listen.address.port(), 0, "{written}");
    });
}

/// Whatever is accepted is one line of ssh_config, with a keyword that is one word and does not
/// do what Loom has promised not to do.
#[test]
fn ssh_options_are_single_lines_of_harmless_keywords() {
    const KEYS: &[&str] = &[
        "ProxyCommand",
        "serveraliveinterval",
        "ControlPath",
        "LocalForward",
        "Host",
        "Match",
        "Include",
        "RemoteCommand",
        "PermitLocalCommand",
        "Frobnicate",
        "=",
        " ",
        "#",
        "\n",
        "\"",
        "\0",
        "-o",
        "\u{202e}",
        "Tunnel",
        "ForwardAgent",
    ];
    const REFUSED: &[&str] = &[
        "controlpath",
        "localforward",
        "host",
        "match",
        "include",
        "remotecommand",
        "tunnel",
        "forwardagent",
    ];
    let home = Home::new();
    let words = || prop::collection::vec(prop::sample::select(KEYS), 0..3).prop_map(|w| w.concat());
    let text = || prop_oneof![3 => words(), 1 => "(?s:.{0,12})"];
    fuzz(prop::collection::vec((text(), text()), 0..4), |options| {
        let quoted = |text: &String| serde_json::to_string(text).unwrap();
        let entries: Vec<_> =
            options.iter().map(|(k, v)| format!("? {}\n  : {}", quoted(k), quoted(v))).collect();
        let Some(config) = home.load(&format!("ssh_options:\n  {}", entries.join("\n  "))) else {
            return;
        };
        for (key, value) in &config.nodes["web1"].ssh_options {
            assert!(key.bytes().all(|b| b.is_ascii_alphanumeric()), "{key:?}");
            assert!(!REFUSED.contains(&key.to_lowercase().as_str()), "{key:?}");
            assert!(!value.is_empty() && !value.contains(char::is_control), "{key} {value:?}");
        }
    });
}

#[test]
fn values_made_to_hurt() {
    let home = Home::new();
    for text in [
        "",
        "0",
        "-1",
        "+1",
        "1.5h",
        "1e3",
        "1h1h",
        "1s1h",
        "h",
        "1h ",
        " 1h",
        "1 h",
        "1H",
        "٣",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551615d",
        "0d0h0m0s",
        "213503982334601d7h",
        "1k1",
        "1ib",
        "i",
        "1i",
        "b",
        "1bb",
        "1kk",
        "1KİB",
        "18014398509481984k",
        "1_0",
        "0x10",
        "\u{ff11}",
        "1\u{200b}",
    ] {
        for key in ["idle_timeout", "stop_timeout", "max_output", "max_workers", "listen"] {
            home.read(key, text, drop);
        }
    }
    home.read("idle_timeout", &"1d".repeat(2000), drop);
    home.read("max_output", &"9".repeat(4000), drop);
}
