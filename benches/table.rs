//! The results: measure, value, target, verdict.

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
}

pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown for comparison only.
    None,
}

impl Table {
    /// `unit` follows the value and the target, as ` ms`.
    pub fn add(&mut self, measure: &str, value: f64, unit: &str, target: Target) {
        let number = |n: f64| {
            let digits = if n.abs() >= 100.0 { 0 } else { 2 };
            format!("{n:.digits$}{unit}")
        };
        let (wanted, met) = match target {
            Target::AtLeast(bound) => (format!("≥ {}", number(bound)), Some(value >= bound)),
            Target::AtMost(bound) => (format!("≤ {}", number(bound)), Some(value <= bound)),
            Target::None => (String::new(), None),
        };
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        self.rows.push([measure.into(), number(value), wanted, verdict.into()]);
    }

    pub fn print(&self) {
        let head = ["measure", "value", "target", "verdict"].map(String::from);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&head]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths = [0, 1, 2].map(width);
        for [measure, value, target, verdict] in [&head].into_iter().chain(&self.rows) {
            let row = format!(
                "{measure:<0$}  {value:>1$}  {target:>2$}  {verdict}",
                widths[0], widths[1], widths[2]
            );
            println!("{}", row.trim_end());
        }
    }
}

/// The middle one of an odd number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
