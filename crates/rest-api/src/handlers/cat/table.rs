//! The tables of the cat APIs: columns chosen, rows sorted, printed as text or JSON.

use std::cmp::Ordering;

use es_exception::Exception;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::media_type::Accepted;
use crate::params::{Params, split_list};
use crate::reply::Reply;
use crate::units::{bytes_in_unit, human_bytes, human_millis, time_in_unit};
use crate::wildcard::matches;

/// Parameters that every cat API takes.
pub(crate) const CAT: &[&str] = &[
    "v",
    "h",
    "s",
    "help",
    "bytes",
    "time",
    "ts",
    "local",
    "expand_wildcards",
    "master_timeout",
];

/// One column: name, other names, whether it is shown unasked, and what it means.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) shown: bool,
    pub(crate) right: bool,
    pub(crate) description: &'static str,
}

impl Column {
    /// A column of text that is shown unless others are asked for.
    pub(crate) const fn text(
        name: &'static str,
        aliases: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            shown: true,
            right: false,
            description,
        }
    }

    /// A column of numbers that is shown unless others are asked for.
    pub(crate) const fn number(
        name: &'static str,
        aliases: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            shown: true,
            right: true,
            description,
        }
    }

    /// The same column, shown only when asked for.
    pub(crate) const fn hidden(mut self) -> Self {
        self.shown = false;
        self
    }

    fn is_called(&self, pattern: &str) -> bool {
        let pattern = pattern.to_ascii_lowercase();
        std::iter::once(&self.name)
            .chain(self.aliases)
            .any(|name| matches(&pattern, &name.to_ascii_lowercase()))
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing to show.
    Empty,
    /// Text.
    Text(String),
    /// A whole number.
    Number(i128),
    /// A number with one decimal and a percent sign.
    Percent(f64),
    /// A number with two decimals.
    Decimal(f64),
    /// A size, printed in the unit of the `bytes` parameter.
    Bytes(u64),
    /// Milliseconds, printed in the unit of the `time` parameter.
    Time(i64),
}

impl Cell {
    fn print(&self, params: &Params) -> Result<String, Exception> {
        Ok(match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Percent(percent) => format!("{percent:.1}%"),
            Self::Decimal(number) => format!("{number:.2}"),
            Self::Bytes(bytes) => match params.text("bytes") {
                Some(unit) => bytes_in_unit(*bytes, unit)?,
                None => human_bytes(*bytes),
            },
            Self::Time(millis) => match params.text("time") {
                Some(unit) => time_in_unit(*millis, unit)?,
                None => human_millis(*millis),
            },
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Empty, Self::Empty) => Ordering::Equal,
            (Self::Empty, _) => Ordering::Less,
            (_, Self::Empty) => Ordering::Greater,
            (Self::Number(left), Self::Number(right)) => left.cmp(right),
            (Self::Bytes(left), Self::Bytes(right)) => left.cmp(right),
            (Self::Time(left), Self::Time(right)) => left.cmp(right),
            (Self::Percent(left), Self::Percent(right)) | (Self::Decimal(left), Self::Decimal(right)) => {
                left.total_cmp(right)
            }
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            _ => Ordering::Equal,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Number(number as i128)
    }
}

/// A table with its rows; each row has one cell per column.
pub(crate) struct Table {
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// Answers a cat request: its help text, or the table built by `rows`.
///
/// # Errors
/// What `rows` returns; `illegal_argument_exception` for an unknown unit or sort column.
pub(crate) fn answer(
    call: &Call,
    columns: &'static [Column],
    rows: impl FnOnce() -> Result<Vec<Vec<Cell>>, Exception>,
) -> Result<Reply, Exception> {
    check_units(&call.params)?;
    if call.params.flag("help", false)? {
        return Ok(Reply::text(help(columns)));
    }
    let table = Table {
        columns,
        rows: rows()?,
    };
    let wants_json = match (call.params.text("format"), call.accepted) {
        (Some(format), _) => format == "json",
        (None, accepted) => matches!(accepted, Accepted::Json | Accepted::VendorJson(_)),
    };
    if wants_json {
        Reply::ok(&table.json(&call.params)?)
    } else {
        Ok(Reply::text(table.text(&call.params)?))
    }
}

/// Refuses units that are not known, whether or not the table has anything to print in them.
fn check_units(params: &Params) -> Result<(), Exception> {
    if let Some(unit) = params.text("bytes") {
        bytes_in_unit(0, unit)?;
    }
    if let Some(unit) = params.text("time") {
        time_in_unit(0, unit)?;
    }
    Ok(())
}

fn help(columns: &[Column]) -> String {
    let rows: Vec<[String; 3]> = columns
        .iter()
        .map(|column| {
            [
                column.name.to_owned(),
                column.aliases.join(","),
                column.description.to_owned(),
            ]
        })
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter()
        .map(|row| format!("{:<first$} | {:<second$} | {}\n", row[0], row[1], row[2]))
        .collect()
}

impl Table {
    /// The columns to show with the names to show them by, in the order asked for.
    fn chosen(&self, params: &Params) -> Vec<(usize, String)> {
        let Some(wanted) = params.text("h") else {
            let shown = self.columns.iter().enumerate().filter(|(_, column)| column.shown);
            return shown.map(|(at, column)| (at, column.name.to_owned())).collect();
        };
        let mut chosen: Vec<(usize, String)> = Vec::new();
        for pattern in split_list(wanted) {
            for (at, column) in self
                .columns
                .iter()
                .enumerate()
                .filter(|(_, column)| column.is_called(pattern))
            {
                // A column asked for by an alias is headed by that alias.
                let heading = if pattern.contains('*') {
                    column.name.to_owned()
                } else {
                    pattern.to_owned()
                };
                if chosen.iter().all(|(other, _)| *other != at) {
                    chosen.push((at, heading));
                }
            }
        }
        chosen
    }

    fn sorted(&self, params: &Params) -> Result<Vec<&Vec<Cell>>, Exception> {
        let mut keys = Vec::new();
        for part in params.list("s") {
            let (name, descending) = match part.rsplit_once(':') {
                Some((name, "desc")) => (name, true),
                Some((name, "asc")) => (name, false),
                _ => (part, false),
            };
            let column = self
                .columns
                .iter()
                .position(|column| !name.contains('*') && column.is_called(name));
            let column = column.ok_or_else(|| {
                Exception::illegal_argument(format!("cannot sort by the unknown column [{name}]"))
            })?;
            keys.push((column, descending));
        }
        let mut rows: Vec<&Vec<Cell>> = self.rows.iter().collect();
        rows.sort_by(|left, right| {
            let order = |(column, descending): &(usize, bool)| {
                let order = left[*column].order(&right[*column]);
                if *descending { order.reverse() } else { order }
            };
            keys.iter()
                .map(order)
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        Ok(rows)
    }

    fn json(&self, params: &Params) -> Result<Value, Exception> {
        let chosen = self.chosen(params);
        let mut printed = Vec::with_capacity(self.rows.len());
        for row in self.sorted(params)? {
            let mut object = Map::new();
            for (at, heading) in &chosen {
                let value = match &row[*at] {
                    Cell::Empty => Value::Null,
                    cell => Value::String(cell.print(params)?),
                };
                object.insert(heading.clone(), value);
            }
            printed.push(Value::Object(object));
        }
        Ok(Value::Array(printed))
    }

    fn text(&self, params: &Params) -> Result<String, Exception> {
        let chosen = self.chosen(params);
        let mut lines: Vec<Vec<String>> = Vec::with_capacity(self.rows.len() + 1);
        if params.flag("v", false)? {
            lines.push(chosen.iter().map(|(_, heading)| heading.clone()).collect());
        }
        for row in self.sorted(params)? {
            lines.push(
                chosen
                    .iter()
                    .map(|(at, _)| row[*at].print(params))
                    .collect::<Result<_, _>>()?,
            );
        }
        let width = |at: usize| {
            lines
                .iter()
                .map(|line| line[at].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..chosen.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            for (position, (cell, (at, _))) in line.iter().zip(&chosen).enumerate() {
                let padding = " ".repeat(widths[position] - cell.chars().count());
                let last = position + 1 == chosen.len();
                match (self.columns[*at].right, last) {
                    (true, _) => text.extend([padding.as_str(), cell]),
                    (false, true) => text.push_str(cell),
                    (false, false) => text.extend([cell, padding.as_str()]),
                }
                if !last {
                    text.push(' ');
                }
            }
            text.push('\n');
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column::text("index", &["i", "idx"], "index name"),
        Column::number("docs.count", &["dc"], "available documents"),
        Column::number("store.size", &["ss"], "size on disk"),
        Column::text("uuid", &["id"], "index uuid").hidden(),
    ];

    fn table() -> Table {
        let row =
            |name: &str, docs: u64, size: u64| vec![name.into(), docs.into(), Cell::Bytes(size), Cell::Empty];
        Table {
            columns: COLUMNS,
            rows: vec![row("a", 10, 5000), row("bcd", 9, 100)],
        }
    }

    fn params(query: &str) -> Params {
        Params::parse(query).expect("valid")
    }

    #[test]
    fn text_is_aligned_and_columns_are_chosen_and_sorted() {
        let cases = [
            ("", "a   10 4.8kb\nbcd  9  100b\n"),
            (
                "v",
                "index docs.count store.size\na             10      4.8kb\nbcd            9       100b\n",
            ),
            ("h=dc,i&v", "dc i\n10 a\n 9 bcd\n"),
            ("h=index&s=docs.count", "bcd\na\n"),
            ("h=i&s=dc:desc", "a\nbcd\n"),
            ("h=store*&bytes=b", "5000\n 100\n"),
            ("h=uuid,nothing", "\n\n"),
        ];
        for (query, expected) in cases {
            assert_eq!(table().text(&params(query)).expect("prints"), expected, "{query}");
        }
        assert!(table().text(&params("s=nope")).is_err());
        assert!(table().text(&params("bytes=parsec")).is_err());
    }

    #[test]
    fn json_holds_strings_and_nulls() {
        let printed = table().json(&params("h=i,uuid,dc&s=i:desc")).expect("prints");
        assert_eq!(
            printed,
            json!([{"i": "bcd", "uuid": null, "dc": "9"}, {"i": "a", "uuid": null, "dc": "10"}])
        );
    }

    #[test]
    fn help_lists_every_column() {
        assert_eq!(
            help(COLUMNS).lines().next(),
            Some("index      | i,idx | index name")
        );
        assert_eq!(help(COLUMNS).lines().count(), 4);
    }
}
