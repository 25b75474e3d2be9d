//! Named figures over rounds, and the table of them.

use std::fmt::Write;

/// Figures in the order in which they were first measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    unit: &'static str,
    /// The figure that this one is compared with.
    beside: Option<&'static str>,
    values: Vec<f64>,
}

impl Figures {
    /// Adds one round's value of a figure.
    pub(crate) fn add(&mut self, name: &'static str, unit: &'static str, value: f64) {
        self.add_beside(name, unit, value, None);
    }

    /// Adds one round's value of a figure whose ratio to another is shown.
    pub(crate) fn add_beside(
        &mut self,
        name: &'static str,
        unit: &'static str,
        value: f64,
        beside: Option<&'static str>,
    ) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => self.rows.push(Row {
                name,
                unit,
                beside,
                values: vec![value],
            }),
        }
    }

    /// The table: median, smallest, largest, and the ratio of medians.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| figure | median | smallest | largest | unit | ratio |\n| --- | ---: | ---: | ---: | --- | --- |",
        );
        for row in &self.rows {
            let (median, smallest, largest) = spread(&row.values);
            let other = row
                .beside
                .and_then(|name| self.rows.iter().find(|other| other.name == name));
            let ratio = other.map_or(String::new(), |other| {
                format!("{:.2} x {}", median / spread(&other.values).0, other.name)
            });
            let [median, smallest, largest] = [median, smallest, largest].map(shown);
            let _ = write!(
                table,
                "\n| {} | {median} | {smallest} | {largest} | {} | {ratio} |",
                row.name, row.unit
            );
        }
        table
    }
}

fn shown(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// Median (the lower one of an even count), smallest and largest.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    (
        percentile(values, 50),
        percentile(values, 0),
        percentile(values, 100),
    )
}

/// The value below which `percent` percent of the values lie; nearest rank.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent)
        .div_ceil(100)
        .clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            [0, 50, 99, 100].map(|percent| percentile(&values, percent)),
            [1.0, 50.0, 99.0, 100.0]
        );
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn the_table_shows_medians_and_ratios() {
        let mut figures = Figures::default();
        for (alone, followed) in [(100.0, 90.0), (300.0, 150.0), (200.0, 190.0)] {
            figures.add("alone", "docs/s", alone);
            figures.add_beside("followed", "docs/s", followed, Some("alone"));
        }
        let table = figures.table();
        assert!(
            table.contains("| alone | 200 | 100 | 300 | docs/s |  |"),
            "{table}"
        );
        assert!(
            table.contains("| followed | 150 | 90.0 | 190 | docs/s | 0.75 x alone |"),
            "{table}"
        );
    }
}
