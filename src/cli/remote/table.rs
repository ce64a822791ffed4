//! Tables for people: columns as wide as their widest cell, up to a bound.

/// Widest cell of a column that is not the last; longer ones are cut.
const MAX_CELL_CHARS: usize = 44;

/// A column: its head and its cells.
pub(in crate::cli) struct Column {
    head: &'static str,
    cells: Vec<String>,
}

impl Column {
    /// A column with a cell for each row.
    pub(in crate::cli) fn new<T>(
        head: &'static str,
        rows: &[T],
        cell: impl Fn(&T) -> String,
    ) -> Self {
        Self {
            head,
            // A cell is one line, whatever a partner put into it.
            cells: rows
                .iter()
                .map(|row| cell(row).replace('\n', " "))
                .collect(),
        }
    }

    fn width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.chars().count());
        let widest = widths.chain([self.head.len()]).max().unwrap_or_default();
        widest.min(MAX_CELL_CHARS)
    }
}

/// The columns side by side.
pub(in crate::cli) fn table(columns: &[Column]) -> String {
    let count = columns.iter().map(|c| c.cells.len()).max().unwrap_or(0);
    let head = columns.iter().map(|column| column.head.to_owned());
    let mut lines = vec![row(columns, head.collect())];
    for index in 0..count {
        let cells = columns
            .iter()
            .map(|column| column.cells.get(index).cloned().unwrap_or_default());
        lines.push(row(columns, cells.collect()));
    }
    lines.join("\n")
}

fn row(columns: &[Column], cells: Vec<String>) -> String {
    let last = columns.len().saturating_sub(1);
    let cells = cells.into_iter().zip(columns).enumerate();
    let padded = cells.map(|(index, (cell, column))| {
        if index == last {
            return cell;
        }
        let width = column.width();
        let cut: String = if cell.chars().count() > width {
            cell.chars()
                .take(width.saturating_sub(1))
                .chain(['…'])
                .collect()
        } else {
            cell
        };
        format!("{cut:width$}")
    });
    let line = padded.collect::<Vec<_>>().join("  ");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_the_last_is_not_cut() {
        let rows = ["a", "bcd"];
        let long = "x".repeat(60);
        let columns = [
            Column::new("NAME", &rows, |row| (*row).to_owned()),
            Column::new("LONG", &rows, |_| long.clone()),
            Column::new("LAST", &rows, |_| long.clone()),
        ];
        let shown = table(&columns);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("NAME  LONG"), "{shown}");
        assert!(lines[1].starts_with("a     xxx"), "{shown}");
        assert!(
            lines[1].contains('…') && lines[1].ends_with(&long),
            "{shown}"
        );
    }
}
