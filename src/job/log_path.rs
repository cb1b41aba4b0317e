//! Where a job's plain output is appended: a path with `{job}`, `{node}` and `{date}` in it.
//!
//! The names are other people's words: written into a path they never become more than a part of
//! one of its components.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// An absolute path, its placeholders known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPath(pub PathBuf);

/// What file systems take for one name.
const LONGEST: usize = 255;

/// What may stand in braces.
pub const PLACEHOLDERS: [&str; 3] = ["job", "node", "date"];

/// Which bytes of a path's text are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misplaced {
    /// A word in braces that is no placeholder, with its braces.
    Unknown(std::ops::Range<usize>),
    /// A brace without its other half.
    Stray(std::ops::Range<usize>),
}

impl LogPath {
    /// Looks at the placeholders only; to make the path absolute is the caller's business.
    pub fn parse(text: &str) -> Result<LogPath, Misplaced> {
        let mut open = None;
        for (at, c) in text.char_indices() {
            match (c, open) {
                ('{', None) => open = Some(at),
                ('{', Some(start)) => return Err(Misplaced::Stray(start..start + 1)),
                ('}', None) => return Err(Misplaced::Stray(at..at + 1)),
                ('}', Some(start)) if PLACEHOLDERS.contains(&&text[start + 1..at]) => open = None,
                ('}', Some(start)) => return Err(Misplaced::Unknown(start..at + 1)),
                _ => {}
            }
        }
        match open {
            Some(start) => Err(Misplaced::Stray(start..start + 1)),
            None => Ok(LogPath(PathBuf::from(text))),
        }
    }

    /// The path for this job on this node on this day (`2026-11-20`).
    ///
    /// In a name, `/`, `%`, control characters and a dot in the first place are percent-encoded,
    /// so that different names stay different. A component that gets too long is cut, and ends
    /// with a checksum of the whole.
    pub fn of(&self, job: &str, node: &str, date: Date) -> PathBuf {
        let fields =
            [("{job}", encoded(job)), ("{node}", encoded(node)), ("{date}", date.to_string())];
        let mut path = PathBuf::new();
        for component in self.0.components() {
            match component {
                Component::Normal(name) => {
                    let name = bounded(filled(name.as_bytes(), &fields));
                    path.push(OsString::from_vec(name));
                }
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir => path.push(component),
            }
        }
        path
    }
}

/// Once from left to right: what is filled in is not looked at again.
fn filled(template: &[u8], fields: &[(&str, String)]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        let field = fields.iter().find(|(name, _)| rest.starts_with(name.as_bytes()));
        match field {
            Some((name, value)) => {
                text.extend_from_slice(value.as_bytes());
                rest = &rest[name.len()..];
            }
            None => {
                text.push(byte);
                rest = after;
            }
        }
    }
    text
}

/// Never empty: no name is a lone `%`, which stands for the empty one.
fn encoded(name: &str) -> String {
    if name.is_empty() {
        return "%".into();
    }
    let mut text = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        if c == '/' || c == '%' || c.is_control() || (c == '.' && at == 0) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                text.push_str(&format!("%{byte:02X}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

fn bounded(mut name: Vec<u8>) -> Vec<u8> {
    if name.len() <= LONGEST {
        return name;
    }
    let sum = format!("~{:016x}", checksum(&name));
    let mut end = LONGEST - sum.len();
    // Neither a character nor an escape is cut in two.
    while name[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    if let Some(at) = name[end - 2..end].iter().position(|&byte| byte == b'%') {
        end = end - 2 + at;
    }
    name.truncate(end);
    name.extend_from_slice(sum.as_bytes());
    name
}

/// FNV-1a: the same in every release, as a file that is appended to needs it.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;
    use std::path::Path;

    const DAY: Date = date(2026, 3, 7);

    fn path(template: &str, job: &str, node: &str) -> String {
        let path = LogPath(template.into()).of(job, node, DAY);
        path.into_os_string().into_string().unwrap()
    }

    #[test]
    fn placeholders_are_filled_in_wherever_they_stand() {
        let path = |template| path(template, "backup", "db1.example.org");
        assert_eq!(path("/var/log/jobs.log"), "/var/log/jobs.log");
        assert_eq!(
            path("/log/{job}/{node}-{date}.log"),
            "/log/backup/db1.example.org-2026-03-07.log"
        );
        assert_eq!(path("/log/{job}{job}"), "/log/backupbackup");
        assert_eq!(path("/log/{other}/{/}/{job"), "/log/{other}/{/}/{job");
    }

    #[test]
    fn names_are_parts_of_a_component_and_nothing_more() {
        for (job, name) in [
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (".hidden", "%2Ehidden"),
            ("a.b", "a.b"),
            ("/", "%2F"),
            ("50%", "50%25"),
            ("a\0b\n\u{85}", "a%00b%0A%C2%85"),
            ("Zürich nightly", "Zürich nightly"),
            ("{node}", "{node}"),
            ("", "%"),
        ] {
            assert_eq!(path("/log/{job}", job, "n"), format!("/log/{name}"));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_stays_apart() {
        let long = "ü/".repeat(100);
        let others = [format!("{long}a"), format!("{long}b"), format!("a{long}")];
        let paths = others.map(|job| path("/log/{job}.log", &job, "n"));
        for path in &paths {
            let name = path.strip_prefix("/log/").unwrap();
            assert!(name.len() <= LONGEST && !name.contains('/'), "{name}");
            let (kept, sum) = name.split_once('~').unwrap();
            assert!(kept.ends_with("ü") || kept.ends_with("%2F"), "{name}");
            assert_eq!(sum.len(), 16);
        }
        assert!(paths[0] != paths[1] && paths[1] != paths[2]);
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_templates_directory(
            job in any::<String>(), node in "[./%\0a-c]{0,300}",
        ) {
            for template in ["/log/{job}", "/log/{node}", "/log/{job}{node}.{date}", "/log/.{node}"] {
                let path = LogPath(template.into()).of(&job, &node, DAY);
                prop_assert_eq!(path.parent(), Some(Path::new("/log")));
                let name = path.file_name().expect("a name that is no dot-dot").as_bytes();
                prop_assert!(!name.is_empty() && name.len() <= LONGEST);
                prop_assert!(!name.contains(&0) && !name.contains(&b'/') && name != b".");
            }
        }

        #[test]
        fn different_names_have_different_files(one in "[./%a0\n]{0,6}", other in "[./%a0\n]{0,6}") {
            prop_assume!(one != other);
            prop_assert_ne!(path("/{job}", &one, "n"), path("/{job}", &other, "n"));
        }
    }
}
