//! `listen`: what opens the API to a network, and what is refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::{Home, MAIN};
use crate::config::{Config, Listen, Tls, dump};
use crate::protocol::frame;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";

fn home(listen: &str) -> Home {
    let main = format!("{MAIN}listen: {listen}\n");
    Home::with(&[("loom.yaml", &main), ("c.pem", CERTIFICATE), ("k.pem", KEY)])
}

fn listen(written: &str) -> Option<Listen> {
    home(written).config().settings.listen
}

/// All that is told, without the lines that quote the file.
fn told(written: &str) -> String {
    let told = home(written).messages();
    let quoted = |line: &&str| !line.starts_with("    4 |") && !line.starts_with("      |");
    told.lines().filter(quoted).map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_address_of_this_machine_needs_nothing_more() {
    for (written, address) in [
        ("127.0.0.1:7411", "127.0.0.1:7411"),
        ("localhost:80", "127.0.0.1:80"),
        ("'[::1]:7411'", "[::1]:7411"),
        ("127.8.8.8:1", "127.8.8.8:1"),
        ("'[::ffff:127.0.0.1]:7411'", "[::ffff:127.0.0.1]:7411"),
        ("{address: 'localhost:7411'}", "127.0.0.1:7411"),
    ] {
        let expected = Listen {
            address: address.parse().unwrap(),
            tls: None,
            hosts: Vec::new(),
            plaintext: false,
        };
        assert_eq!(listen(written), Some(expected), "{written}");
    }
    assert_eq!(listen("null"), None);
}

#[test]
fn with_a_certificate_it_may_be_any_address() {
    let home = home(
        "{address: 0.0.0.0:7411, certificate: c.pem, key: ./k.pem, hosts: [Loom.example.com, loom, loom]}",
    );
    let config = home.config();
    let expected = Listen {
        address: "0.0.0.0:7411".parse().unwrap(),
        tls: Some(Tls { certificate: home.path("c.pem"), key: home.path("k.pem") }),
        hosts: vec!["loom.example.com".into(), "loom".into()],
        plaintext: false,
    };
    assert_eq!(config.settings.listen, Some(expected));
    assert_eq!(home.messages(), "");
    for renewed in ["c.pem", "k.pem"] {
        assert!(config.watch.contains(&home.path(renewed)), "{renewed} is not watched");
    }
    let encoded = frame::encode(&config, frame::CONFIG_CAP).unwrap();
    let back: Option<Config> = frame::read(&mut encoded.as_slice(), frame::CONFIG_CAP).unwrap();
    assert_eq!(back.as_ref(), Some(&config));
    let dumped = &dump(&config)["settings"]["listen"];
    assert_eq!(dumped["address"], "0.0.0.0:7411");
    assert_eq!(dumped["key"], home.path("k.pem").to_str().unwrap());
    assert_eq!(dumped["hosts"], serde_json::json!(["loom.example.com", "loom"]));
}

#[test]
fn a_network_without_tls_wants_to_be_said() {
    for address in ["0.0.0.0:7411", "'[::]:7411'", "10.0.0.1:7411", "'[::ffff:10.0.0.1]:7411'"] {
        for written in [address.to_string(), format!("{{address: {address}, plaintext: no}}")] {
            let told = told(&written);
            assert!(told.contains("can be reached from other machines"), "{written}: {told}");
        }
        let listen = listen(&format!("{{address: {address}, plaintext: true}}")).unwrap();
        assert!(listen.plaintext && listen.tls.is_none());
    }
    let home = home("0.0.0.0:7411");
    assert_eq!(
        home.messages(),
        r#"loom.yaml:4:9: error: 0.0.0.0:7411 can be reached from other machines, and without TLS everybody on the way can read the tokens and use them
    4 | listen: 0.0.0.0:7411
      |         ^^^^^^^^^^^^
      = write {address: "0.0.0.0:7411", certificate: FILE, key: FILE}; or add plaintext: true if something else encrypts, as a proxy or a VPN does
"#
    );
}

#[test]
fn what_is_no_address_is_told_with_what_was_meant() {
    let expected = |note: &str, written: &str| {
        format!(
            "loom.yaml:4:9: error: listen is an address with a port, like 127.0.0.1:7411 or \
             [::1]:7411, not \"{written}\"\n      = {note}\n"
        )
    };
    for (written, note) in [
        ("7411", "it has no address; write 127.0.0.1:7411"),
        (":7411", "it has no address; write 127.0.0.1:7411"),
        ("'*:80'", "for all addresses of this machine write 0.0.0.0:80 or [::]:80"),
        ("127.0.0.1", "it has no port; write 127.0.0.1:7411"),
        ("'::1'", "it has no port; write [::1]:7411"),
        ("localhost", "it has no port; write ADDRESS:7411"),
        ("'fe80::1:7411'", "it has no port; write [fe80::1:7411]:7411"),
        ("'1:2:3:4:5:6:7:8:9'", "an IPv6 address stands in brackets: [1:2:3:4:5:6:7:8]:9"),
        ("127.0.0.1:0", "the port is 1 to 65535"),
        ("localhost:0", "the port is 1 to 65535"),
        ("127.0.0.1:65536", "the port is 1 to 65535"),
        ("127.0.0.1:http", "the port is 1 to 65535"),
        ("loom.example.com:7411", "a name may have any address; only localhost is taken"),
    ] {
        assert_eq!(told(written), expected(note, written.trim_matches('\'')), "{written}");
    }
    assert_eq!(
        told("[127.0.0.1:7411]"),
        "loom.yaml:4:9: error: listen is an address with a port, not a list\n\
         \x20     = an IPv6 address is quoted: \"[::1]:7411\"\n"
    );
    assert!(told("{addres: x}").contains("unknown key \"addres\"; did you mean \"address\"?"));
    assert!(told("{hosts: x}").contains("listen has no \"address\""));
}

#[test]
fn a_certificate_and_its_key_are_files_of_their_kind() {
    let told = |rest: &str| told(&format!("{{address: 127.0.0.1:1, {rest}}}"));
    let end = |message: &str| format!(": error: {message}\n");
    for (rest, message) in [
        ("certificate: c.pem", "certificate needs its key: write key: FILE as well"),
        ("key: k.pem", "key needs its certificate: write certificate: FILE as well"),
        (
            "certificate: x.pem, key: k.pem",
            "certificate \"x.pem\" cannot be used: no such file or directory",
        ),
        ("certificate: jobs, key: k.pem", "certificate \"jobs\" is not a file"),
        (
            "certificate: k.pem, key: k.pem",
            "certificate \"k.pem\" holds no certificate; it is a PEM file with the whole chain",
        ),
        ("certificate: c.pem, key: c.pem", "key \"c.pem\" holds no private key; it is a PEM file"),
    ] {
        let told = told(rest);
        assert!(told.ends_with(&end(message)), "{rest}: {told}");
    }
    let both = "certificate: c.pem, key: k.pem, plaintext: true";
    assert!(told(both).contains("warning: plaintext has no effect beside a certificate"));
}

#[test]
fn a_key_is_refused_when_others_can_read_it_or_it_is_encrypted() {
    let home = home("{address: 127.0.0.1:1, certificate: c.pem, key: k.pem}");
    let chmod = |mode| {
        std::fs::set_permissions(home.path("k.pem"), Permissions::from_mode(mode)).unwrap();
    };
    chmod(0o644);
    let told = home.messages();
    assert!(told.contains("key \"k.pem\" can be read by others (mode 0644): chmod 600"), "{told}");
    assert!(!told.contains("hunter2"));
    chmod(0o640);
    // Lent to a group, as root may.
    assert_eq!(home.load().is_ok(), nix::unistd::geteuid().is_root());
    chmod(0o600);
    assert_eq!(home.messages(), "");
    home.write("k.pem", KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"));
    assert!(home.messages().contains("is encrypted, and nobody is there to type its password"));
}

#[test]
fn hosts_are_bare_names() {
    for (host, problem) in [
        ("https://loom", "is the bare name, without scheme and path"),
        ("loom:7411", "is the bare name, without a port"),
        ("10.0.0.1", "is an address; addresses are always taken, hosts are names"),
        ("'*.example.com'", "is one name, not a pattern"),
        ("'a b'", "is no host name"),
        ("a..b", "is no host name"),
        ("-a", "is no host name"),
    ] {
        let told = told(&format!("{{address: 127.0.0.1:1, hosts: [ok, {host}]}}"));
        let expected = format!("error: host \"{}\" {problem}\n", host.trim_matches('\''));
        assert!(told.ends_with(&expected), "{told}");
    }
}
