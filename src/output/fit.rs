//! Lines for people, as wide as their terminal: a line that is wider is broken between words,
//! and what goes on is indented. Nothing is broken within a word, a path or a number.
//!
//! Refuses to know what a line says; lines of source stay as they are.

use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// A narrower terminal is written to as if it had so many columns.
const MIN_WIDTH: usize = 40;

/// How much further what goes on is indented.
const HANG: usize = 4;

/// A cell that is longer than a line is begun in a line only if this much of it fits.
const MIN_REST: usize = 24;

/// In front of a line that stays as it is: no escaped text has it.
pub(super) const WHOLE: char = '\u{1}';

/// Writes lines that fit.
pub struct Fitted<'o> {
    out: &'o mut dyn Write,
    /// In columns; `None` leaves lines as they are.
    width: Option<usize>,
    pending: Vec<u8>,
}

impl<'o> Fitted<'o> {
    /// To `out`, in so many columns; as they are where nobody knows how many.
    pub(super) fn new(out: &'o mut dyn Write, width: Option<usize>) -> Self {
        Self {
            out,
            width,
            pending: Vec::new(),
        }
    }
}

impl Write for Fitted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(width) = self.width else {
            return self.out.write(bytes);
        };
        self.pending.extend_from_slice(bytes);
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            match std::str::from_utf8(&line[..end]) {
                Ok(line) => writeln!(self.out, "{}", fit(line, width))?,
                Err(_) => self.out.write_all(&line)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.pending)?;
        self.pending.clear();
        self.out.flush()
    }
}

/// A word, with the escape sequences that stand around it.
struct Word {
    text: String,
    width: usize,
    /// How many spaces stand in front of it.
    gap: usize,
}

/// The line in as many lines as it needs in so many columns.
#[must_use]
pub fn fit(line: &str, width: usize) -> String {
    fit_hanging(line, width, HANG)
}

/// The same, where what goes on is indented by `hang` more columns.
pub(super) fn fit_hanging(line: &str, width: usize, hang: usize) -> String {
    if let Some(line) = line.strip_prefix(WHOLE) {
        return line.to_owned();
    }
    let width = width.max(MIN_WIDTH);
    let words = words(line);
    let total: usize = words.iter().map(|word| word.gap + word.width).sum();
    if total <= width || is_source(&words) {
        return line.to_owned();
    }
    let mut writer = LineWriter::new(&words, width, hang);
    let mut rest = &words[writer.prefix_words..];
    while !rest.is_empty() {
        let is_next_cell = |word: &Word| word.gap > 1;
        let cell = rest[1..].iter().position(is_next_cell);
        let (cell, others) = rest.split_at(cell.map_or(rest.len(), |at| at + 1));
        writer.add_cell(cell);
        rest = others;
    }
    writer.text
}

/// Whether it is a line of a source, behind its number.
fn is_source(words: &[Word]) -> bool {
    let plain = |at: usize| words.get(at).map(|word| plain(&word.text));
    let is_number =
        |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain(0).as_ref().is_some_and(is_number) && plain(1).as_deref() == Some("|")
}

struct LineWriter {
    text: String,
    column: usize,
    width: usize,
    /// What stands at the start of each line that goes on.
    prefix: String,
    /// How many words are in the prefix.
    prefix_words: usize,
    is_first_cell: bool,
}

impl LineWriter {
    fn new(words: &[Word], width: usize, hang: usize) -> Self {
        let indent = words.first().map_or(0, |word| word.gap);
        let is_label = words.first().is_some_and(|word| plain(&word.text) == "|");
        let mut writer = Self {
            text: String::new(),
            column: 0,
            width,
            prefix: " ".repeat(indent.min(width / 2) + hang),
            prefix_words: usize::from(is_label),
            is_first_cell: true,
        };
        if is_label {
            // The frame of a source goes on, and a label below itself.
            writer.push(&words[0]);
            let marker = words.get(1).map_or(0, |word| word.gap + word.width + 1);
            let label = if marker < width / 2 { marker } else { hang };
            writer.prefix = format!("{}{}", writer.text, " ".repeat(label));
        }
        writer
    }

    fn push(&mut self, word: &Word) {
        self.text += &" ".repeat(word.gap);
        self.text += &word.text;
        self.column += word.gap + word.width;
    }

    fn go_on(&mut self, word: &Word, prefix: &str) {
        self.text.push('\n');
        self.text += prefix;
        self.text += &word.text;
        self.column = prefix.width() + word.width;
    }

    /// A cell as a whole where it fits, else word by word.
    fn add_cell(&mut self, cell: &[Word]) {
        let first = &cell[0];
        let inner: usize = cell[1..].iter().map(|word| word.gap + word.width).sum();
        let (room, whole) = (
            self.width.saturating_sub(self.column + first.gap),
            first.width + inner,
        );
        let is_first = std::mem::take(&mut self.is_first_cell);
        // A command that is broken is still one for a shell.
        let is_command = !is_first && plain(&first.text) == "npcheck";
        let prefix = self.prefix.clone();
        let fits_alone = prefix.width() + whole <= self.width;
        if whole <= room || is_first {
            self.push(first);
        } else if fits_alone || is_command || room < MIN_REST {
            self.go_on(first, &prefix);
        } else {
            self.push(first);
        }
        let limit = self.width - if is_command { 2 } else { 0 };
        for word in &cell[1..] {
            if self.column + word.gap + word.width <= limit {
                self.push(word);
                continue;
            }
            if is_command {
                self.text += " \\";
            }
            self.go_on(word, &prefix);
        }
    }
}

/// The words of a line. Escape sequences have no width and belong to the word before.
fn words(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut start, mut gap, mut is_open) = (String::new(), 0, false);
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let escape = escape_sequence(rest);
        let piece = if escape > 0 {
            escape
        } else {
            character.len_utf8()
        };
        let (text, others) = rest.split_at(piece);
        rest = others;
        match words.last_mut() {
            _ if text == " " => {
                gap += 1;
                is_open = false;
            }
            Some(word) if escape > 0 || is_open => {
                word.text += text;
                word.width += if escape > 0 { 0 } else { text.width() };
            }
            None if escape > 0 => start += text,
            _ => {
                words.push(Word {
                    text: std::mem::take(&mut start) + text,
                    width: text.width(),
                    gap: std::mem::take(&mut gap),
                });
                is_open = true;
            }
        }
    }
    words
}

/// How many bytes the escape sequence is long that a text begins with: a colour, or a link.
fn escape_sequence(text: &str) -> usize {
    let end = |ends: &str| text.find(ends).map_or(text.len(), |at| at + ends.len());
    if text.starts_with("\u{1b}[") {
        end("m")
    } else if text.starts_with("\u{1b}]") {
        end("\u{1b}\\")
    } else {
        0
    }
}

/// A word without its escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match escape_sequence(rest) {
            0 => {
                plain.push(character);
                rest = &rest[character.len_utf8()..];
            }
            length => rest = &rest[length..],
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let table = [
            ("short", "short"),
            (
                "error: one two three four five six seven eight",
                "error: one two three four five six seven\n    eight",
            ),
            (
                "  shop/a #1  k8s/netpol.yaml:15:15  peer: wants namespace x",
                "  shop/a #1  k8s/netpol.yaml:15:15\n      peer: wants namespace x",
            ),
            (
                "   |     ^^^^ a label that is rather long for such a line",
                "   |     ^^^^ a label that is rather\n   |          long for such a line",
            ),
            (
                "12 |     a line of a source that stays, however long it is",
                "12 |     a line of a source that stays, however long it is",
            ),
            (
                "\u{1}    -  - a line of a patch that stays, however long it is",
                "    -  - a line of a patch that stays, however long it is",
            ),
            (
                "  = help: fix it   npcheck lint --fix=safe --select a k8s/x.yaml",
                "  = help: fix it\n      npcheck lint --fix=safe --select \\\n      a k8s/x.yaml",
            ),
            (
                "\u{1b}[1mone two three four five\u{1b}[0m six seven eight nine",
                "\u{1b}[1mone two three four five\u{1b}[0m six seven eight\n    nine",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(fit(line, 40), expected, "{line}");
        }
    }

    #[test]
    fn what_is_written_in_pieces_is_lines_all_the_same() {
        let mut out = Vec::new();
        let mut fitted = Fitted::new(&mut out, Some(40));
        for piece in [
            "one two three four five ",
            "six seven eight nine\nten",
            "\n",
        ] {
            fitted
                .write_all(piece.as_bytes())
                .expect("memory takes everything");
        }
        assert_eq!(
            String::from_utf8_lossy(&out),
            "one two three four five six seven eight\n    nine\nten\n"
        );
    }
}
