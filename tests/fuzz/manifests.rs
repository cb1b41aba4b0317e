//! The files of a configuration: loaded or explained, soon, and without much memory. What is
//! loaded survives the frame in which it travels.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use loom::config::{self, Config};
use loom::protocol::frame::{self, CONFIG_CAP};
use proptest::prelude::*;

use crate::meter::{MB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const MAIN: &str = "nodesfile: nodes.yaml\njobspath: jobs\ndatafile: data.yaml\n\
                    max_workers: 4\ntimezone: Europe/Berlin\nkeep: {days: 3}\n";
const NODES: &str = "web[1-3]: {user: root, ip: '10.0.0.[1-3]', tags: [web, all]}\n\
                     db1: &db\n  user: root\n  password: {file: pw}\n  ssh_options: {Port2: x}\n\
                     db2: {<<: *db, port: 2222, max_sessions: 3}\n";
const DATA: &str = "hosts: &hosts [web1, db2]\ndefaults: &late {schedule: '@daily', tags: x}\n";
const JOBS: &str = "\
jobs:
  disk: {<<: *late, task: loom.run, args: ['df -h'], targets: ['@web', *hosts]}
  \"fstab\":
    task: loom.run
    args:
      - |
        grep nfs /etc/fstab
    kwargs: {chdir: /tmp, env: {A: \"1\", B: 0755}}
    schedule: '*/5 2-4 * jan-mar mon'
    targets: 'web[1-3/2]'
    timeout: 1h30m
    timezone: UTC
    overlap: queue
    parallel: 50%
    success: 2
    retries: {attempts: 3, delay: 10s, backoff: 2, jitter: 10, on: [unreachable, failed]}
    missed: once
    deadline: 1h
    splay: 30s
    locks: [apt]
    log: /tmp/{job}-{node}-{date}.log
    hooks: {on_failure: {webhook: 'https://x:y@example.org/t?k=v'}, on_late: {mail: root@localhost}}
    enabled: no
    description: >-
      of no use
flows:
  deploy:
    schedule: '@never'
    overlap: queue
    slots:
      - [disk, {job: fstab, success: 80%, parallel: [1, 50%], retries: 2, on_failure: continue}]
      - - name: restart
          task: loom.run
          args: [x]
          targets: ['@web']
          timeout: 5m
          on_failure: {rescue: {name: back, task: loom.run, args: [y], targets: db1}, then: stop}
        - {job: disk, on_failure: {rescue: back}}
      - [restart]
  other: {slots: [&last [disk], *last]}
";

const FILES: [&str; 4] = ["loom.yaml", "nodes.yaml", "data.yaml", "jobs/a.yaml"];
const SOUND: [&str; 4] = [MAIN, NODES, DATA, JOBS];

const WORDS: &[&str] = &[
    "jobs:\n",
    "jobs: ",
    "  j: {",
    "}",
    "[",
    "]",
    "task: ",
    "loom.run",
    "args: ",
    "kwargs: ",
    "targets: ",
    "web1",
    "web[1-3]",
    "n[1-10000]",
    "@web",
    "user: root\n",
    "password: ",
    "&a ",
    "*a",
    "*hosts",
    "<<: ",
    "<<: *a",
    "<<: [*a, *b]",
    "!!int ",
    "!!binary ",
    "!x ",
    "!<tag:x> ",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "|9\n",
    "# ",
    "#",
    "---\n",
    "...\n",
    "? ",
    ": ",
    "- ",
    ", ",
    "\t",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "\x1b[2J",
    "\u{85}",
    "\u{2028}",
    "é",
    "𝄞",
    "%YAML 1.1\n",
    "%TAG ! x\n",
    "0755",
    "0x",
    "1e999",
    ".nan",
    "-.inf",
    "1:60",
    "2001-12-14",
    "~",
    "null",
    "yes",
    "18446744073709551616",
    "- - - - ",
    "{a: {a: {a: ",
    "schedule: ",
    "* * * * *",
    "@reboot",
    "timeout: ",
    "99999999999d",
    "1h30m",
    "50%",
    "0%",
    "retries: {",
    "hooks: {",
    "on_failure: ",
    "webhook: ",
    "flows:\n",
    "  f: {",
    "slots: ",
    "slots: [[",
    "[[j]]",
    "job: ",
    "name: ",
    "on_failure: {rescue: ",
    "then: stop",
    "restart",
    "@never",
    "log: ",
    "{job}",
    "{",
    "{node",
    "locks: [",
    "defaults: {",
    "ssh_options: {",
    "ProxyCommand: ",
    "nodesfile: ",
    "/dev/zero",
    "jobspath: ",
    "..",
    "~root",
    "~nobody/x",
    "statedir: ",
    "keep: {",
    "\\x",
    "\\u12",
    "\\U00110000",
];

/// A directory of a configuration that is put right after each case.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("jobs")).unwrap();
        home.restore();
        home
    }

    fn restore(&self) {
        for (name, text) in FILES.iter().zip(SOUND) {
            fs::write(self.path(name), text).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Loads with these files in place of the sound ones.
    fn load(&self, files: &[(&str, &[u8])]) -> Option<Config> {
        for (name, bytes) in files {
            fs::write(self.path(name), bytes).unwrap();
        }
        let size: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let main = self.path("loom.yaml");
        let show: Vec<_> =
            files.iter().map(|(name, bytes)| (name, String::from_utf8_lossy(bytes))).collect();
        let loaded = bounded(&show, MEMORY + 60 * size, || config::load(main.to_str().unwrap()));
        self.restore();
        match loaded {
            Ok(loaded) => Some(loaded.config),
            Err(found) => {
                assert!(
                    found.iter().any(|diagnostic| diagnostic.is_error()),
                    "refused without a word"
                );
                for diagnostic in &found {
                    let shown = diagnostic.to_string();
                    let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
                    assert!(!shown.contains(steers), "{shown:?}");
                }
                None
            }
        }
    }
}

/// However small a file is: what aliases and host sets in it may stand for.
const MEMORY: usize = 96 * MB;

fn survives(config: &Config) {
    let frame = frame::encode(config, CONFIG_CAP).expect("a configuration that fits");
    let copy: Config = frame::decode(&frame[4..]).expect("a configuration that can be read");
    assert_eq!(frame::encode(&copy, CONFIG_CAP).unwrap(), frame);
}

#[test]
fn what_is_taken_for_sound_is() {
    let config = Home::new().load(&[]).expect("sound");
    assert_eq!((config.nodes.len(), config.jobs.len()), (5, 4));
    survives(&config);
}

#[test]
fn mutated_files_are_loaded_or_explained() {
    let home = Home::new();
    fuzz((0..FILES.len(), mutate::ops(WORDS)), |(which, ops)| {
        let mut bytes = SOUND[which].as_bytes().to_vec();
        mutate::apply(&mut bytes, &ops);
        home.load(&[(FILES[which], &bytes)]).iter().for_each(survives);
    });
}

#[test]
fn yaml_of_all_pieces_is_loaded_or_explained() {
    let home = Home::new();
    let text = prop::collection::vec(prop::sample::select(WORDS), 0..60);
    let text = (text, any::<bool>()).prop_map(|(words, jobs)| {
        format!("{}{}", if jobs { "jobs:\n  j: " } else { "" }, words.concat())
    });
    fuzz((0..FILES.len(), text), |(which, text)| {
        home.load(&[(FILES[which], text.as_bytes())]).iter().for_each(survives);
    });
}

#[test]
fn arbitrary_bytes_are_loaded_or_explained() {
    let home = Home::new();
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    fuzz((0..FILES.len(), any::<bool>(), bytes), |(which, jobs, mut bytes)| {
        if jobs {
            bytes.splice(..0, *b"jobs: ");
        }
        home.load(&[(FILES[which], &bytes)]);
    });
}

/// Ten to the twentieth, by twenty aliases.
fn bomb(core: &str, open: char, close: char) -> String {
    let level = |i: usize| {
        let entry =
            |n| if open == '{' { format!("k{n}: *a{}", i - 1) } else { format!("*a{}", i - 1) };
        let entries: Vec<_> = (0..10).map(entry).collect();
        format!("a{i}: &a{i} {open}{}{close}\n", entries.join(", "))
    };
    format!("a0: &a0 {core}\n{}", (1..20).map(level).collect::<String>())
}

fn job(attributes: &str) -> String {
    format!("jobs:\n  j: {{task: loom.run, {attributes}}}\n")
}

#[test]
fn files_made_to_hurt() {
    let home = Home::new();
    let load = |name: &str, text: &str| drop(home.load(&[(name, text.as_bytes())]));
    let many = |text: &str, times: usize| text.repeat(times);
    // In every file: what hurts a parser.
    for text in [
        many("[", 40_000),
        many("{", 40_000),
        many("{a: ", 20_000),
        many("- ", 20_000),
        many("? ", 20_000),
        many("[[[[]]]],", 20_000),
        many("&a ", 20_000),
        many("!x ", 20_000),
        many("*a ", 20_000),
        many("\"", 40_001),
        many("'", 40_001),
        many("\\", 40_000),
        many("%YAML 1.1\n", 10_000),
        many("---\n", 10_000),
        many("#", 300_000),
        many("\n", 300_000),
        many(" ", 300_000),
        many("\t", 40_000),
        many("\0", 40_000),
        many("\u{feff}", 10_000),
        many("\r", 40_000),
        many("a: 1\n", 20_000),
        many("jobs: 1\n", 20_000),
        (0..20_000).map(|i| format!("k{i}: &k{i} {i}\n")).collect(),
        (0..20_000).map(|i| format!("k{i}: *k{}\n", i + 1)).collect(),
        (0..3000).map(|i| format!("{}jobs:\n", " ".repeat(i % 300))).collect(),
        "jobs: &a [*a]".to_owned(),
        "jobs: &a {<<: *a}".to_owned(),
        format!("jobs: \"{}\"", many("x", 300_000)),
        format!("jobs: |\n  {}", many("x\n  ", 40_000)),
        format!("jobs: >\n  {}", many("x\n\n  ", 40_000)),
        format!("jobs: \"{}\"", many("\\u0041", 40_000)),
        format!("jobs: \"{}", many("\n", 40_000)),
        format!("{}: 1\njobs: {{}}\n", many("k", 300_000)),
        format!("? {}\n: 1\njobs: {{}}\n", many("k", 300_000)),
        format!("? \"{}[1-10000]\"\n: {{user: x}}\n", many("k", 300_000)),
        format!("? \"{}\"\n: {{user: x}}\n", many("k[1-9]", 10_000)),
        bomb("[x]", '[', ']') + "jobs: *a19\n",
        bomb("{x: y}", '{', '}') + "jobs: *a19\n",
    ] {
        for name in FILES {
            load(name, &text);
        }
    }
    // Where aliases and host sets multiply.
    let user = bomb("[web1]", '[', ']');
    for attributes in [
        "targets: *a19, args: [x]",
        "targets: web1, args: [*a19]",
        "targets: web1, args: *a19",
        "targets: web1, tags: *a19, args: [x]",
        "targets: web1, kwargs: {env: {A: *a19}}, args: [x]",
        "targets: web1, args: [x], locks: *a19, retries: {on: *a19}, hooks: {on_failure: *a19}",
    ] {
        home.load(&[("data.yaml", user.as_bytes()), ("jobs/a.yaml", job(attributes).as_bytes())]);
    }
    // Where flows multiply.
    for slots in ["*a19", "[*a19]", "[[*a19]]", "[[{job: j, on_failure: {rescue: *a19}}]]"] {
        let flow = format!("{}flows: {{f: {{slots: {slots}}}}}\n", job("targets: web1, args: [x]"));
        home.load(&[
            ("data.yaml", bomb("j", '[', ']').as_bytes()),
            ("jobs/a.yaml", flow.as_bytes()),
        ]);
    }
    let slots = format!("slots: &slots [[{}]]\n", many("j,", 1000));
    let flows: String = (0..300).map(|i| format!("  f{i}: {{slots: *slots}}\n")).collect();
    let flows = format!("{}flows:\n{flows}", job("targets: 'web[1-3]', args: [x]"));
    home.load(&[("data.yaml", slots.as_bytes()), ("jobs/a.yaml", flows.as_bytes())]);
    let chain: String = (0..900)
        .map(|i| format!("{{name: r{i}, task: loom.run, args: [x], targets: web1, on_failure: {{rescue: r{}}}}},", i + 1))
        .collect();
    let flow = format!("flows: {{f: {{slots: [[{chain}]]}}}}\n");
    home.load(&[("jobs/a.yaml", flow.as_bytes())]);
    for name in ["web[1-3]", "zzz[1-10000]", "web1,web1", "@web", "@nobody"] {
        let written = vec![format!("'{name}'"); 400].join(",");
        let data = format!("y: &y [{written}]\nz: &z [{}]\n", vec!["*y"; 200].join(","));
        home.load(&[
            ("data.yaml", data.as_bytes()),
            ("jobs/a.yaml", job("args: [x], targets: *z").as_bytes()),
        ]);
    }
}

#[test]
fn other_encodings_are_explained() {
    let home = Home::new();
    let utf16 = |to: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}jobs: {}\n".encode_utf16().flat_map(to).collect()
    };
    let utf32: Vec<u8> =
        "\u{feff}jobs: {}\n".chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
    for bytes in [
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        utf32,
        b"jobs: {caf\xe9: 1}\n".to_vec(),
        b"jobs: \xed\xa0\x80\n".to_vec(),
        b"jobs: \xf8\x88\x80\x80\x80\n".to_vec(),
        b"jobs: \xc0\xaf\n".to_vec(),
        b"\x7fELF jobs".to_vec(),
        [b"jobs: ".to_vec(), vec![0xff; 1_000_000]].concat(),
    ] {
        for name in FILES {
            home.load(&[(name, &bytes)]);
        }
    }
}
