//! `loom man`: the manual page, from the definitions that parse the command line.
//!
//! One page for all commands, a section each. What no definition knows stands here: exit
//! status, environment, files.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::Cli;

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "What was asked for was done."),
    (
        "1",
        "It was not, or it failed: the configuration has mistakes, a run did not succeed, the \
         daemon was not there or refused.",
    ),
    (
        "2",
        "The command line was not understood, or nothing could be started; for check --diff: \
         there is a difference.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "LOOM_HOST",
        "URL of the daemon to speak with, as --host has it; without it, the one of this machine.",
    ),
    ("LOOM_TOKEN", "The token shown to a daemon that is reached by URL."),
    ("NO_COLOR", "If it is not empty, nothing is printed in colour and no progress is drawn."),
    ("RUST_LOG", "What the daemon logs: debug, or warn,loom::unit=debug; without it, info."),
    (
        "XDG_STATE_HOME",
        "Where the state directory is, for other users than root: in loom, below it.",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("~/.loom.yaml", ""),
    ("/etc/loom.yaml", ""),
    (
        "/etc/loom/loom.yaml",
        "The configuration: the first of these that is a file, unless -c names another.",
    ),
    ("~/.local/state/loom", ""),
    (
        "/var/lib/loom",
        "The state directory, for root the second, unless the configuration says otherwise: the \
         ledger (ledger.db), the units' output, the pidfile, the log, and a link to the socket \
         that the commands use (api.sock).",
    ),
];

pub fn man() -> ExitCode {
    let written = page(Cli::command()).and_then(|page| io::stdout().write_all(&page));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("loom: the page cannot be written: {e}");
            ExitCode::FAILURE
        }
    }
}

fn page(mut root: Command) -> io::Result<Vec<u8>> {
    root.build();
    // By hand: the third field, a date, is to be there and empty.
    let version = root.get_version().unwrap_or_default();
    let mut page = format!(".TH LOOM 1 \"\" \"loom {version}\" \"User Commands\"\n").into_bytes();
    let mut head = Roff::new();
    head.control("SH", ["NAME"]).text([roman("loom - cron for more than one machine")]);
    head.control("SH", ["SYNOPSIS"]);
    head.text([bold("loom"), roman(" [OPTIONS]")]).control("br", []);
    head.text([bold("loom"), roman(" [-c FILES] COMMAND [ARGUMENTS]")]);
    head.control("SH", ["DESCRIPTION"]);
    prose(&root, &mut head);
    append(&mut page, &head)?;

    let mut options = Vec::new();
    Man::new(without_help(root.clone())).render_options_section(&mut options)?;
    page.extend(options);
    let mut commands = Roff::new();
    append(&mut page, commands.control("SH", ["COMMANDS"]))?;
    sections(&root, &mut page)?;
    for (title, rows) in
        [("EXIT STATUS", EXIT_STATUS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)]
    {
        append(&mut page, &table(title, rows))?;
    }
    let mut end = Roff::new();
    end.control("SH", ["SEE ALSO"]);
    end.text(see_also(&["crontab(5)", "ssh(1)", "ssh_config(5)", "sshd(8)"]));
    append(&mut page, &end)?;
    Ok(page)
}

fn append(page: &mut Vec<u8>, part: &Roff) -> io::Result<()> {
    part.to_writer(page)
}

/// Of all commands below this one, at whatever depth.
fn sections(of: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in of.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        section(command, page)?;
        sections(command, page)?;
    }
    Ok(())
}

fn section(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The options of all commands are told once, above.
    let globals = command.get_arguments().filter(|arg| arg.is_global_set());
    let globals: Vec<_> = globals.map(|arg| arg.get_id().clone()).collect();
    let mut own = without_help(command.clone());
    for global in globals {
        own = own.mut_arg(global, |arg| arg.hide(true));
    }
    let usage = own.render_usage().to_string();
    let mut head = Roff::new();
    head.control("SS", [name(command)]);
    for (at, form) in usage.trim_start_matches("Usage:").trim().lines().enumerate() {
        if at > 0 {
            head.control("br", []);
        }
        head.text([bold(form.trim())]);
    }
    head.control("PP", []);
    prose(command, &mut head);
    append(page, &head)?;
    let mut options = Vec::new();
    Man::new(own).render_options_section(&mut options)?;
    // Without its heading, which would be one of the whole page.
    let lines = options.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b".SH")).for_each(|line| page.extend(line));
    Ok(())
}

/// `token add`
fn name(command: &Command) -> &str {
    let whole = command.get_bin_name().unwrap_or_else(|| command.get_name());
    whole.strip_prefix("loom ").unwrap_or(whole)
}

/// What a command says of itself. Lines that are indented stay as they are.
fn prose(command: &Command, into: &mut Roff) {
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(|about| about.to_string()).unwrap_or_default();
    for (at, paragraph) in about.split("\n\n").enumerate() {
        if at > 0 {
            into.control("PP", []);
        }
        let verbatim = paragraph.starts_with(' ');
        if verbatim {
            into.control("nf", []);
        }
        // The last full stop is clap's to take away.
        let whole = if paragraph.ends_with(char::is_alphanumeric) && !verbatim { "." } else { "" };
        for line in format!("{paragraph}{whole}").lines() {
            into.text([roman(line)]);
        }
        if verbatim {
            into.control("fi", []);
        }
    }
}

/// That there is a --help goes without saying on a page.
fn without_help(mut command: Command) -> Command {
    for id in ["help", "version"] {
        if command.get_arguments().any(|arg| arg.get_id() == id) {
            command = command.mut_arg(id, |arg| arg.hide(true));
        }
    }
    command
}

/// A row without a text shares that of the next one.
fn table(title: &str, rows: &[(&str, &str)]) -> Roff {
    let mut table = Roff::new();
    table.control("SH", [title]);
    let mut goes_on = false;
    for (name, text) in rows {
        table.control(if goes_on { "TQ" } else { "TP" }, []).text([bold(*name)]);
        goes_on = text.is_empty();
        if !goes_on {
            table.text([roman(*text)]);
        }
    }
    table
}

fn see_also(pages: &[&str]) -> Vec<Inline> {
    let mut line = Vec::new();
    for page in pages {
        let (name, section) = page.split_at(page.find('(').unwrap_or(page.len()));
        let comma = if line.is_empty() { "" } else { ", " };
        line.extend([roman(comma), bold(name), roman(section)]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::CANDIDATES;
    use super::*;

    /// The sections of the page by their headings, without roff's escapes.
    fn headings() -> Vec<(String, String)> {
        let page = String::from_utf8(page(Cli::command()).unwrap()).unwrap();
        let page =
            page.replace("\\-", "-").replace("\\fR", "").replace("\\fB", "").replace("\\fI", "");
        let sections = page.split("\n.S").map(|section| {
            let (heading, rest) = section.split_once('\n').unwrap();
            let heading = heading.trim_start_matches(['S', 'H']).trim().trim_matches('"');
            (heading.to_owned(), rest.to_lowercase())
        });
        sections.collect()
    }

    fn assert_told(command: &Command, headings: &[(String, String)]) {
        for command in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let name = name(command);
            let section = headings.iter().find(|(heading, _)| heading == name);
            assert_eq!(section.is_none(), command.is_hide_set(), "{name}");
            let Some((_, section)) = section else { continue };
            let shown = |arg: &&clap::Arg| !arg.is_hide_set() && !arg.is_global_set();
            for option in command.get_arguments().filter(shown) {
                let told = match (option.get_long(), option.get_value_names()) {
                    (Some("help"), _) => continue,
                    (Some(long), _) => format!("--{long}"),
                    (None, names) => names.unwrap_or_default().concat().to_lowercase(),
                };
                assert!(section.contains(&told), "{told} of {name}: {section}");
            }
            assert_told(command, headings);
        }
    }

    #[test]
    fn every_command_and_every_option_is_on_the_page() {
        let headings = headings();
        let mut root = Cli::command();
        root.build();
        assert!(root.get_subcommands().count() > 5);
        assert_told(&root, &headings);
        let section = |title: &str| {
            let found = headings.iter().find(|(heading, _)| heading == title);
            &found.unwrap_or_else(|| panic!("no {title}")).1
        };
        assert!(section("ENVIRONMENT").contains("loom_token"));
        assert!(section("EXIT STATUS").contains("there is a difference"));
        for candidate in CANDIDATES.split(',') {
            assert!(section("FILES").contains(candidate), "{candidate}");
        }
    }
}
