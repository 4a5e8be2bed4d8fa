//! A value to be written as YAML or JSON, and how it is written.
//!
//! Refuses to know where it goes, and what it means.

use crate::source::Span;
use ipnet::IpNet;

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A mapping, in this order.
    Map(Vec<(String, Value)>),
    /// A list.
    List(Vec<Value>),
    /// A string that a reader must read as a string.
    Text(String),
    /// A block of addresses: read as a string whether it has quotes or not, but for IPv6.
    Block(IpNet),
    /// A word of the API or a number: written as it is, in JSON a word with quotes.
    Word(String),
}

impl Value {
    pub(super) fn map(fields: Vec<(&str, Self)>) -> Self {
        Self::Map(
            fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Map(fields) => fields.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Text(_) | Self::Block(_) | Self::Word(_) => false,
        }
    }
}

/// How values are written around here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'t> {
    /// Whether keys have quotes, as in JSON.
    pub(super) quotes_keys: bool,
    /// The quotes that strings have, if they have any.
    pub(super) quotes: Option<char>,
    /// By how many columns the hyphens of a list stand behind the key of the list.
    pub(super) list_indent: usize,
    /// The text that shows whether mappings in braces have spaces inside these. It may be a dump
    /// of hundreds of megabytes, and is looked at where there are braces to write.
    braces: &'t str,
}

impl<'t> Style<'t> {
    /// The style of the text around a place: of its span, and of the text as a whole where
    /// that shows nothing.
    pub(super) fn around(text: &'t str, span: Span) -> Self {
        let near = &text[span.range()];
        let quotes_keys = near
            .trim_start_matches(['{', '[', ' ', '\n', '\r', '\t'])
            .starts_with('"');
        let quoted = |quote: char| near.contains(&format!(": {quote}"));
        let quotes = if quotes_keys || quoted('"') {
            Some('"')
        } else {
            quoted('\'').then_some('\'')
        };
        Self {
            quotes_keys,
            quotes,
            list_indent: list_indent(text),
            braces: if near.contains('{') { near } else { text },
        }
    }

    fn text(self, text: &str) -> String {
        match self.quotes {
            Some('\'') if !text.contains('\'') && !text.contains(char::is_control) => {
                format!("'{text}'")
            }
            None if is_plain(text) => text.to_owned(),
            _ => quoted(text),
        }
    }

    fn key(self, key: &str) -> String {
        if !self.quotes_keys && is_plain(key) {
            key.to_owned()
        } else {
            quoted(key)
        }
    }

    fn word(self, word: &str) -> String {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        if self.quotes_keys && !is_number {
            quoted(word)
        } else {
            word.to_owned()
        }
    }

    /// The value on one line.
    pub(super) fn flow(self, value: &Value) -> String {
        match value {
            Value::Text(text) => self.text(text),
            Value::Word(word) => self.word(word),
            Value::Block(IpNet::V4(block)) if self.quotes.is_none() => block.to_string(),
            Value::Block(block) => self.text(&block.to_string()),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(fields) if fields.is_empty() => "{}".to_owned(),
            Value::Map(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| format!("{}: {}", self.key(key), self.flow(value)));
                let fields = fields.collect::<Vec<_>>().join(", ");
                if memchr::memmem::find(self.braces.as_bytes(), b"{ ").is_some() {
                    format!("{{ {fields} }}")
                } else {
                    format!("{{{fields}}}")
                }
            }
        }
    }

    /// The value on lines of its own, not indented.
    pub(super) fn block(self, value: &Value) -> Vec<String> {
        match value {
            Value::Map(fields) if !fields.is_empty() => fields
                .iter()
                .flat_map(|(key, value)| self.field(key, value))
                .collect(),
            Value::List(items) if !items.is_empty() => {
                items.iter().flat_map(|item| self.item(item, 2)).collect()
            }
            scalar => vec![self.flow(scalar)],
        }
    }

    /// A field of a mapping on lines of its own, not indented.
    pub(super) fn field(self, key: &str, value: &Value) -> Vec<String> {
        let key = self.key(key);
        let indent = match value {
            _ if value.is_empty() => return vec![format!("{key}: {}", self.flow(value))],
            Value::Text(_) | Value::Block(_) | Value::Word(_) => {
                return vec![format!("{key}: {}", self.flow(value))];
            }
            Value::List(_) => self.list_indent,
            Value::Map(_) => 2,
        };
        let lines = self
            .block(value)
            .into_iter()
            .map(|line| indented(indent, &line));
        std::iter::once(format!("{key}:")).chain(lines).collect()
    }

    /// An item of a list on lines of its own; its text stands `offset` columns behind the
    /// hyphen.
    pub(super) fn item(self, value: &Value, offset: usize) -> Vec<String> {
        let lines = self.block(value).into_iter().enumerate();
        let lines = lines.map(|(number, line)| match number {
            0 => format!("-{}{line}", " ".repeat(offset - 1)),
            _ => indented(offset, &line),
        });
        lines.collect()
    }
}

fn indented(columns: usize, line: &str) -> String {
    format!("{}{line}", " ".repeat(columns))
}

/// How far lists are indented in a text, by its first list below a key.
fn list_indent(text: &str) -> usize {
    let column = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    while let Some(line) = lines.next() {
        let Some(next) = lines.peek() else { break };
        let is_key = line.trim_end().ends_with(':') && !line.trim_start().starts_with('#');
        if is_key && next.trim_start().starts_with("- ") {
            // The key of a list in a list stands behind the hyphen of its item.
            let key = column(line)
                + if line.trim_start().starts_with("- ") {
                    2
                } else {
                    0
                };
            return column(next).saturating_sub(key).min(8);
        }
    }
    2
}

/// Whether a text without quotes is read as that very string, by YAML 1.1 and 1.2: it
/// begins with a letter, and is none of the words that mean something else.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "y", "yes", "n", "no", "true", "false", "on", "off", "null", "none", "nan", "inf",
    ];
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// The text in double quotes, escaped so that YAML and JSON read the same.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() || !character.is_ascii() => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style<'_> = Style {
        quotes_keys: false,
        quotes: None,
        list_indent: 2,
        braces: "",
    };

    fn sample() -> Value {
        let label = Value::Map(vec![("app".to_owned(), Value::Text("1".to_owned()))]);
        let peer = Value::map(vec![(
            "podSelector",
            Value::map(vec![("matchLabels", label)]),
        )]);
        Value::map(vec![
            ("from", Value::List(vec![peer])),
            ("ports", Value::List(vec![Value::Word("80".to_owned())])),
            ("empty", Value::Map(Vec::new())),
        ])
    }

    #[test]
    fn a_value_is_written_in_the_style_that_is_asked_for() {
        let block = STYLE.item(&sample(), 2).join("\n");
        assert_eq!(
            block,
            "- from:\n    - podSelector:\n        matchLabels:\n          app: \"1\"\n  ports:\n    - 80\n  empty: {}"
        );
        let tight = Style {
            list_indent: 0,
            ..STYLE
        }
        .item(&sample(), 4)
        .join("\n");
        assert_eq!(
            tight,
            "-   from:\n    - podSelector:\n        matchLabels:\n          app: \"1\"\n    ports:\n    - 80\n    empty: {}"
        );
        let flow = STYLE.flow(&sample());
        assert_eq!(
            flow,
            "{from: [{podSelector: {matchLabels: {app: \"1\"}}}], ports: [80], empty: {}}"
        );
        let json = Style {
            quotes_keys: true,
            quotes: Some('"'),
            braces: "{ a: b }",
            ..STYLE
        };
        assert_eq!(
            json.flow(&Value::map(vec![("port", Value::Word("TCP".to_owned()))])),
            r#"{ "port": "TCP" }"#
        );
    }

    #[test]
    fn strings_that_yaml_would_not_read_as_strings_get_quotes() {
        for plain in ["web", "app.kubernetes.io/name", "v1.2", "a_b"] {
            assert_eq!(STYLE.text(plain), plain);
        }
        for other in [
            "",
            "1",
            "true",
            "Yes",
            "0x1",
            "1e3",
            "~",
            "a b",
            "a: b",
            "-a",
            ".inf",
            "n",
            "a#b",
            "10.0.0.0/8",
        ] {
            assert_eq!(STYLE.text(other), format!("\"{other}\""));
        }
        assert_eq!(STYLE.text("a\"\n\u{1F600}"), r#""a\"\u000a\ud83d\ude00""#);
    }

    #[test]
    fn lists_are_indented_as_in_the_rest_of_the_text() {
        for (text, indent) in [
            ("a:\n- b\n", 0),
            ("a:\n  - b\n", 2),
            ("x:\n  y: 1\na:\n    - b\n", 4),
            ("- a:\n    - b\n", 2),
            ("- a:\n  - b\n", 0),
            ("a: [b]\n", 2),
        ] {
            assert_eq!(list_indent(text), indent, "{text:?}");
        }
    }
}
