//! `ssh_options`: which of ssh_config's keywords a configuration may set.

use std::collections::BTreeMap;

use super::diagnostic::quoted;
use super::report::Report;
use super::yaml::Item;

/// ssh_config(5) of OpenSSH 9 and 10, but for what is refused below.
const KNOWN: &[&str] = &[
    "AddKeysToAgent",
    "AddressFamily",
    "BindAddress",
    "BindInterface",
    "CanonicalDomains",
    "CanonicalizeFallbackLocal",
    "CanonicalizeHostname",
    "CanonicalizeMaxDots",
    "CanonicalizePermittedCNAMEs",
    "CASignatureAlgorithms",
    "CertificateFile",
    "CheckHostIP",
    "Ciphers",
    "Compression",
    "ConnectionAttempts",
    "EnableEscapeCommandline",
    "EnableSSHKeysign",
    "EscapeChar",
    "FingerprintHash",
    "GlobalKnownHostsFile",
    "GSSAPIAuthentication",
    "GSSAPIDelegateCredentials",
    "HashKnownHosts",
    "HostbasedAcceptedAlgorithms",
    "HostbasedAuthentication",
    "HostKeyAlgorithms",
    "HostKeyAlias",
    "IdentitiesOnly",
    "IdentityAgent",
    "IgnoreUnknown",
    "IPQoS",
    "KbdInteractiveDevices",
    "KexAlgorithms",
    "KnownHostsCommand",
    "LocalCommand",
    "LogLevel",
    "LogVerbose",
    "MACs",
    "NoHostAuthenticationForLocalhost",
    "ObscureKeystrokeTiming",
    "PasswordAuthentication",
    "PermitLocalCommand",
    "PKCS11Provider",
    "PreferredAuthentications",
    "ProxyCommand",
    "ProxyJump",
    "ProxyUseFdpass",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "RekeyLimit",
    "RequiredRSASize",
    "RevokedHostKeys",
    "SecurityKeyProvider",
    "SendEnv",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "SetEnv",
    "StrictHostKeyChecking",
    "SyslogFacility",
    "TCPKeepAlive",
    "UpdateHostKeys",
    "UserKnownHostsFile",
    "VerifyHostKeyDNS",
    "VersionAddendum",
    "VisualHostKey",
    "WarnWeakCrypto",
    "XAuthLocation",
];

/// Set by Loom itself, or against what it promises.
const REFUSED: &[(&str, &str)] = &[
    ("BatchMode", "Loom sets it"),
    ("ClearAllForwardings", "Loom sets it"),
    ("ConnectTimeout", "use connect_timeout in loom.yaml"),
    ("ControlMaster", "Loom sets it"),
    ("ControlPath", "Loom sets it"),
    ("ControlPersist", "use ssh_persist in loom.yaml"),
    ("DynamicForward", "Loom forwards nothing"),
    ("ExitOnForwardFailure", "Loom forwards nothing"),
    ("ForkAfterAuthentication", "Loom sets it"),
    ("ForwardAgent", "Loom forwards nothing"),
    ("ForwardX11", "Loom forwards nothing"),
    ("ForwardX11Timeout", "Loom forwards nothing"),
    ("ForwardX11Trusted", "Loom forwards nothing"),
    ("GatewayPorts", "Loom forwards nothing"),
    ("Host", "put it into your ssh_config, which is read too"),
    ("HostName", "use the node's \"ip\""),
    ("IdentityFile", "use the node's \"identity\""),
    ("Include", "put it into your ssh_config, which is read too"),
    ("KbdInteractiveAuthentication", "Loom sets it"),
    ("LocalForward", "Loom forwards nothing"),
    ("Match", "put it into your ssh_config, which is read too"),
    ("NumberOfPasswordPrompts", "Loom sets it"),
    ("Port", "use the node's \"port\""),
    ("RemoteCommand", "Loom sets it"),
    ("RemoteForward", "Loom forwards nothing"),
    ("RequestTTY", "Loom sets it"),
    ("SessionType", "Loom sets it"),
    ("User", "use the node's \"user\""),
];

/// Also refused, with the same reason each: what is left of the terminal and of tunnels.
const REFUSED_TOO: &[&str] = &["StdinNull", "StreamLocalBindMask", "Tunnel", "TunnelDevice"];

/// By ssh_config's own spelling of the keyword; the values as written.
pub fn read(item: Item<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    if !item.is_mapping() {
        if !item.is_unknown() {
            let message =
                format!("ssh_options is a mapping of ssh_config's keywords, not {}", item.kind());
            report.error(item, message);
        }
        return options;
    }
    for (key, value) in item.entries() {
        let Some(name) = keyword(key, report) else { continue };
        let Some(text) = option_value(value, name, report) else { continue };
        if options.insert(name.to_string(), text.to_string()).is_some() {
            report.error(key, format!("{} is set twice", quoted(name)));
        }
    }
    options
}

fn keyword<'a>(key: Item<'a>, report: &mut Report) -> Option<&'a str> {
    let written = key.text()?;
    let same = |known: &&str| known.eq_ignore_ascii_case(written);
    if let Some((_, why)) = REFUSED.iter().find(|(name, _)| same(name)) {
        report.error(key, format!("ssh option {} cannot be set here: {why}", report.show(key)));
        return None;
    }
    if REFUSED_TOO.iter().any(same) {
        let message = format!("ssh option {} cannot be set here: Loom sets it", report.show(key));
        report.error(key, message);
        return None;
    }
    if let Some(known) = KNOWN.iter().find(|name| same(name)) {
        return Some(known);
    }
    let near = report.hints.nearest(written, KNOWN.iter().copied());
    let plausible = written.starts_with(|c: char| c.is_ascii_alphabetic())
        && written.bytes().all(|b| b.is_ascii_alphanumeric());
    match near {
        Some(near) => {
            let message =
                format!("unknown ssh option {}; did you mean \"{near}\"?", report.show(key));
            report.error(key, message);
            None
        }
        None if !plausible => {
            report.error(key, format!("{} is not the name of an ssh option", report.show(key)));
            None
        }
        None => {
            report.warning(key, format!("ssh option {} is not known to Loom", report.show(key)));
            Some(written)
        }
    }
}

fn option_value<'a>(value: Item<'a>, name: &str, report: &mut Report) -> Option<&'a str> {
    let text = super::fields::text(value, name, report)?;
    if text.is_empty() || value.is_null() || text.contains(|c: char| c.is_control()) {
        report.error(value, format!("{name} is one line of text"));
        return None;
    }
    Some(text)
}
