//! What of the page's files need not travel: indentation, blank lines and comments on lines of their
//! own, which are a sixth of them. Lines stay lines, so that what a browser reports can be found
//! here. Knows no more of a language than where its comments begin and end.

/// Strings must not go on over the ends of lines, and in scripts nothing but a comment may begin a
/// line with two slashes, or with a slash and a star.
pub fn lean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut within = false;
    for line in text.lines().map(str::trim) {
        within |= line.starts_with("/*");
        if within {
            // What follows a comment on its line is none.
            match line.split_once("*/") {
                Some((_, rest)) => {
                    within = false;
                    put(rest.trim(), &mut kept);
                }
                None => continue,
            }
        } else if !line.starts_with("//") {
            put(line, &mut kept);
        }
    }
    kept
}

fn put(line: &str, to: &mut String) {
    if !line.is_empty() {
        to.push_str(line);
        to.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_stays_in_its_order() {
        let text = "// What it is.\n\nimport a;\n  /** One. */\n  const a = 1; // why\n/*\n * more\n */ \
                    b();\n    /* c */\n  d(\"/* no comment */ // neither\");\n";
        let kept = "import a;\nconst a = 1; // why\nb();\nd(\"/* no comment */ // neither\");\n";
        assert_eq!(lean(text), kept);
        assert_eq!(lean(""), "");
    }
}
