//! Tables: aligned columns under capital headers, no lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{NOTHING, Screen, Tone, escape};

/// Between two columns.
const GAP: &str = "  ";

/// No column is made narrower than this to fit a terminal.
const NARROWEST: usize = 8;

#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Escaped; what is empty is shown as `-`.
    pub fn new(text: impl AsRef<str>) -> Cell {
        let text = text.as_ref();
        let text = if text.is_empty() { NOTHING.to_owned() } else { escape(text) };
        Cell { text, tone: Tone::Plain }
    }

    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Cell {
        Cell { tone, ..Cell::new(text) }
    }

    /// A state or an outcome, in its colour.
    pub fn state(word: impl AsRef<str>) -> Cell {
        Cell { tone: Tone::of(word.as_ref()), ..Cell::new(word) }
    }

    pub fn maybe(text: Option<impl AsRef<str>>) -> Cell {
        Cell::new(text.as_ref().map_or("", AsRef::as_ref))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(text)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(text)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Column {
    header: &'static str,
    right: bool,
}

impl Column {
    pub const fn left(header: &'static str) -> Column {
        Column { header, right: false }
    }

    /// For numbers.
    pub const fn right(header: &'static str) -> Column {
        Column { header, right: true }
    }
}

impl From<&'static str> for Column {
    fn from(header: &'static str) -> Column {
        Column::left(header)
    }
}

#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new<C: Into<Column>>(columns: impl IntoIterator<Item = C>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// A cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        cells.resize_with(self.columns.len(), || Cell::new(""));
        self.rows.push(cells);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines, each with its end.
    pub fn show(&self, screen: &Screen) -> String {
        let widths = self.widths(screen.width);
        let headers = self.columns.iter().map(|column| Cell::toned(column.header, Tone::Bold));
        let headers: Vec<Cell> = headers.collect();
        std::iter::once(&headers)
            .chain(&self.rows)
            .map(|row| self.line(row, &widths, screen))
            .collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], screen: &Screen) -> String {
        let mut line = String::new();
        let mut owed = String::new();
        for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
            let text = cut(&cell.text, *width);
            let blanks = " ".repeat(width.saturating_sub(text.width()));
            let text = screen.paint.tone(cell.tone, &text);
            line.push_str(&owed);
            // Blanks at the end of a line are not written.
            if column.right {
                line.push_str(&blanks);
                line.push_str(&text);
                owed = GAP.to_owned();
            } else {
                line.push_str(&text);
                owed = blanks + GAP;
            }
        }
        line.push('\n');
        line
    }

    /// As wide as the widest cell; on a terminal the widest columns give way until all fits.
    fn widths(&self, terminal: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|place| {
                let cells = self.rows.iter().map(|row| row[place].text.width());
                cells.max().unwrap_or(0).max(self.columns[place].header.width())
            })
            .collect();
        let Some(terminal) = terminal else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        loop {
            let total = widths.iter().sum::<usize>() + gaps;
            let widest = widths.iter_mut().max();
            match widest {
                Some(widest) if total > terminal && *widest > NARROWEST => *widest -= 1,
                Some(_) | None => return widths,
            }
        }
    }
}

/// At most `width` columns of it.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if columns > left {
            break;
        }
        left -= columns;
        shown.push(c);
    }
    shown + "…"
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Paint;
    use super::*;

    fn screen(width: Option<usize>) -> Screen {
        Screen { width, ..Screen::pipe(Timestamp::UNIX_EPOCH) }
    }

    fn table() -> Table {
        let columns = [Column::left("JOB"), Column::right("UNITS"), Column::left("LAST")];
        let mut table = Table::new(columns);
        table.row(["backup".into(), "12".into(), Cell::state("failed")]);
        table.row([Cell::new("名前"), "7".into(), Cell::new("")]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen_and_lines_have_no_blanks_at_their_end() {
        let expected = "JOB     UNITS  LAST\nbackup     12  failed\n名前        7  -\n";
        assert_eq!(table().show(&screen(None)), expected);
    }

    #[test]
    fn colours_take_no_room() {
        let painted = Screen { paint: Paint::always(), ..screen(None) };
        let shown = table().show(&painted);
        assert!(shown.contains("backup     12  \x1b[31mfailed\x1b[0m\n"), "{shown:?}");
    }

    #[test]
    fn the_widest_columns_give_way_to_a_terminal() {
        let mut table = Table::new(["A", "B", "C"]);
        table.row(["x".repeat(40).into(), "short".into(), "y".repeat(30).into()]);
        let shown = table.show(&screen(Some(40)));
        let row = shown.lines().nth(1).unwrap();
        assert_eq!(row.width(), 40, "{row}");
        assert!(row.contains("…  short  y") && row.ends_with('…'), "{row}");
        // Too narrow for anything: it is wider then, and still says something.
        let narrow = table.show(&screen(Some(3)));
        assert_eq!(narrow.lines().nth(1).unwrap(), "xxxxxxx…  short  yyyyyyy…");
        // In a pipe nothing is lost.
        assert!(table.show(&screen(None)).contains(&"x".repeat(40)));
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_a_terminal() {
        let mut table = Table::new(["NODE"]);
        table.row([Cell::new("a\x1b[2Jb\nc\u{202e}d")]);
        assert_eq!(table.show(&screen(None)), "NODE\na\\u{1b}[2Jb\\nc\\u{202e}d\n");
    }
}
