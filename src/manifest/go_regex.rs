//! Whether a text is a regular expression for Go's `regexp` package, which many programs of
//! Kubernetes' hand the texts of users to (`regexp/syntax`, with the flags of `regexp.Compile`).
//!
//! Refuses to know what an expression matches. Names of Unicode classes in braces, and how large an
//! expression may grow, are taken as they come: what has a fault here has one for Go.

/// Why Go does not take a text as a regular expression; `None` where it does.
pub(super) fn fault(text: &str) -> Option<&'static str> {
    let mut parser = Parser {
        rest: text,
        open: 0,
        has_operand: false,
        is_repeated: false,
    };
    parser.run().err()
}

/// How often a part may be repeated (`maxRepeat`).
const MAX_REPEAT: u32 = 1000;

/// The classes in `[[:NAME:]]`.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

type Outcome<T = ()> = Result<T, &'static str>;

struct Parser<'t> {
    rest: &'t str,
    /// How many groups are open.
    open: usize,
    /// Whether there is something that can be repeated.
    has_operand: bool,
    /// Whether a repetition was the last thing that was read.
    is_repeated: bool,
}

impl Parser<'_> {
    fn run(&mut self) -> Outcome {
        while let Some(first) = self.rest.chars().next() {
            let was_repeated = std::mem::take(&mut self.is_repeated);
            match first {
                '(' => self.group()?,
                ')' => {
                    self.advance(1);
                    self.open = (self.open.checked_sub(1)).ok_or("a `)` has no `(`")?;
                    self.has_operand = true;
                }
                '|' => {
                    self.advance(1);
                    self.has_operand = false;
                }
                '*' | '+' | '?' => {
                    self.advance(1);
                    self.repeat(was_repeated)?;
                }
                '{' => match counts(self.rest) {
                    Some((first, last, length)) => {
                        let is_backwards = last.is_some_and(|last| first > last);
                        if is_backwards || first.max(last.unwrap_or(0)) > MAX_REPEAT {
                            return Err("the numbers in `{}` are not valid");
                        }
                        self.advance(length);
                        self.repeat(was_repeated)?;
                    }
                    None => self.operand(1),
                },
                '[' => {
                    self.class()?;
                    self.has_operand = true;
                }
                '\\' => self.escape()?,
                other => self.operand(other.len_utf8()),
            }
        }
        match self.open {
            0 => Ok(()),
            _ => Err("a `(` is not closed"),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// Takes something that can be repeated.
    fn operand(&mut self, bytes: usize) {
        self.advance(bytes);
        self.has_operand = true;
    }

    /// What stands behind `*` and its like.
    fn repeat(&mut self, was_repeated: bool) -> Outcome {
        if !self.has_operand {
            return Err("nothing stands before a repetition such as `*`");
        }
        if self.rest.starts_with('?') {
            self.advance(1);
        }
        if was_repeated {
            return Err("a repetition such as `*` follows another one");
        }
        self.is_repeated = true;
        Ok(())
    }

    /// `(`, `(?:`, `(?P<name>`, `(?i)` and the like.
    fn group(&mut self) -> Outcome {
        self.advance(1);
        let Some(flags) = self.rest.strip_prefix('?') else {
            self.begin();
            return Ok(());
        };
        if let Some(named) = flags.strip_prefix("P<").or(flags.strip_prefix('<')) {
            let (name, rest) =
                (named.split_once('>')).ok_or("the name of a group is not closed")?;
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_word) {
                return Err("`(?<` is not followed by the name of a group");
            }
            self.rest = rest;
            self.begin();
            return Ok(());
        }
        let end = flags.find([':', ')']).unwrap_or(flags.len());
        let (set, unset) = match flags[..end].split_once('-') {
            Some((set, unset)) => (set, Some(unset)),
            None => (&flags[..end], None),
        };
        let is_flag = |flag: char| matches!(flag, 'i' | 'm' | 's' | 'U');
        let is_valid = set.chars().all(is_flag)
            && unset.is_none_or(|unset| !unset.is_empty() && unset.chars().all(is_flag));
        match flags[end..].chars().next() {
            Some(':') if is_valid => {
                self.rest = &flags[end + 1..];
                self.begin();
            }
            // What stands before it can still be repeated.
            Some(')') if is_valid => self.rest = &flags[end + 1..],
            _ => return Err("`(?` opens nothing that Go knows, such as `(?:` or `(?i)`"),
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.open += 1;
        self.has_operand = false;
    }

    /// An escape outside of a class.
    fn escape(&mut self) -> Outcome {
        let escaped = self.rest[1..].chars().next();
        match escaped {
            Some('A' | 'b' | 'B' | 'z' | 'd' | 'D' | 's' | 'S' | 'w' | 'W') => self.operand(2),
            Some('p' | 'P') => {
                self.unicode_class()?;
                self.has_operand = true;
            }
            Some('Q') => {
                let quoted = &self.rest[2..];
                let (literal, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                self.has_operand |= !literal.is_empty();
                self.rest = rest;
            }
            _ => {
                self.escaped_character()?;
                self.has_operand = true;
            }
        }
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn unicode_class(&mut self) -> Outcome {
        let name = &self.rest[2..];
        match name.chars().next() {
            Some('{') => {
                let end = name.find('}').ok_or("`\\p{` is not closed")?;
                self.advance(2 + end + 1);
                Ok(())
            }
            // Go takes small letters since 1.25.
            Some(letter) if "CLMNPSZ".contains(letter.to_ascii_uppercase()) => {
                self.advance(3);
                Ok(())
            }
            _ => Err("`\\p` names no class that Go knows, such as `\\pL`"),
        }
    }

    /// A character behind a `\`.
    fn escaped_character(&mut self) -> Outcome<char> {
        const UNKNOWN: &str = "Go does not know one of the escapes with `\\`";
        self.advance(1);
        let first = (self.rest.chars().next()).ok_or("a `\\` stands at the end")?;
        let is_octal = |digit: Option<char>| digit.is_some_and(|it| it.is_digit(8));
        let number = |digits: &str, base| {
            let number = u32::from_str_radix(digits, base).ok();
            number.and_then(char::from_u32).unwrap_or('\u{fffd}')
        };
        match first {
            '0'..='7' => {
                let length = self.rest.chars().take(3).take_while(|it| it.is_digit(8));
                let length = length.count();
                // One digit that is not 0 would be a reference to a group.
                if first != '0' && !is_octal(self.rest.chars().nth(1)) {
                    return Err(UNKNOWN);
                }
                let found = number(&self.rest[..length], 8);
                self.advance(length);
                Ok(found)
            }
            'x' => {
                let after = &self.rest[1..];
                let (digits, length) = match after.strip_prefix('{') {
                    Some(braced) => {
                        let end = braced.find('}').ok_or(UNKNOWN)?;
                        (&braced[..end], end + 3)
                    }
                    None => (after.get(..2).ok_or(UNKNOWN)?, 3),
                };
                let is_hex = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit());
                let value = u32::from_str_radix(digits, 16).ok();
                if !is_hex || value.is_none_or(|value| value > 0x0010_ffff) {
                    return Err(UNKNOWN);
                }
                let found = number(digits, 16);
                self.advance(length);
                Ok(found)
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.advance(1);
                Ok(match first {
                    'a' => '\u{7}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    _ => '\u{b}',
                })
            }
            sign if sign.is_ascii() && !sign.is_ascii_alphanumeric() => {
                self.advance(1);
                Ok(sign)
            }
            _ => Err(UNKNOWN),
        }
    }

    /// `[a-z]`.
    fn class(&mut self) -> Outcome {
        const OPEN: &str = "a `[` is not closed";
        self.advance(1);
        if self.rest.starts_with('^') {
            self.advance(1);
        }
        let mut is_first = true;
        while is_first || !self.rest.starts_with(']') {
            is_first = false;
            if let Some(named) = self.rest.strip_prefix("[:")
                && let Some(end) = named.find(":]")
            {
                if !POSIX.contains(&named[..end].trim_start_matches('^')) {
                    return Err("a class such as `[:alpha:]` has a name that Go does not know");
                }
                self.advance(2 + end + 2);
                continue;
            }
            let mut signs = self.rest.chars();
            match (signs.next(), signs.next()) {
                (Some('\\'), Some('p' | 'P')) => {
                    self.unicode_class()?;
                    continue;
                }
                (Some('\\'), Some('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                    self.advance(2);
                    continue;
                }
                _ => {}
            }
            let low = self.character_of_class(OPEN)?;
            let Some(after) = self.rest.strip_prefix('-') else {
                continue;
            };
            if after.is_empty() || after.starts_with(']') {
                continue;
            }
            self.advance(1);
            if self.character_of_class(OPEN)? < low {
                return Err("a range in `[]` ends before it begins");
            }
        }
        self.advance(1);
        Ok(())
    }

    fn character_of_class(&mut self, open: &'static str) -> Outcome<char> {
        let first = self.rest.chars().next().ok_or(open)?;
        if first == '\\' {
            return self.escaped_character();
        }
        self.advance(first.len_utf8());
        Ok(first)
    }
}

/// The numbers of `{2}`, `{2,}` and `{2,3}` with the length of all; `None` for a brace that
/// stands for itself. A number that is too large for Go is one above the most that there may be.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        let has_zero = digits.len() > 1 && digits.starts_with('0');
        (is_number && !has_zero).then(|| digits.parse().unwrap_or(MAX_REPEAT + 1))
    };
    let inner = &text[1..end];
    let (first, last) = match inner.split_once(',') {
        None => (number(inner)?, Some(number(inner)?)),
        Some((first, "")) => (number(first)?, None),
        Some((first, last)) => (number(first)?, Some(number(last)?)),
    };
    Some((first, last, end + 1))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_go_compiles_is_taken() {
        let texts = [
            "",
            "/api/.*",
            "GET|POST",
            "^/$",
            "^*",
            "a??",
            "(a|)*",
            "a|",
            "|",
            "()",
            "()*",
            "/users/{id}",
            "{",
            "a{,2}",
            "a{01}",
            "a{2}",
            "a{2,}?",
            "a{0,1000}",
            "[]a]",
            "[^]a]",
            "[a-]",
            "[-a]",
            "[a-b-c]",
            "[[:alpha:]_]",
            "[[:^space:]]",
            "[[:x]",
            "[\\d\\pL-]",
            "(?i)a",
            "(?i:a)",
            "(?i-s)a",
            "(?:)",
            "(?P<a>b)(?P<a>c)",
            "(?)",
            "(?<a>b)",
            "a(?i)*",
            "\\.",
            "\\_",
            "\\Q*(\\E",
            "\\Q(",
            "\\x41",
            "\\x{10FFFF}",
            "\\012",
            "\\0",
            "\\12",
            "\\p{Greek}",
            "\\pN+",
            "ä+",
            "a*\\b",
            "(?-i)",
        ];
        for text in texts {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let texts = [
            "*",
            "+x",
            "?",
            "a**",
            "a*+",
            "a*??",
            "a{2}{3}",
            "(*)",
            "a|*",
            "/api/(",
            "a)",
            "[",
            "[a",
            "[]",
            "[^]",
            "[b-a]",
            "[[:foo:]]",
            "a{2,1}",
            "a{1001}",
            "a{99999999999}",
            "(?!x)",
            "(?=x)",
            "(?<=x)",
            "(?<!x)",
            "(?P=a)",
            "(?P<>a)",
            "(?P<a",
            "(?i",
            "(?i-)",
            "(?x)",
            "\\",
            "\\1",
            "\\8",
            "\\y",
            "\\E",
            "\\Z",
            "\\C",
            "\\x4",
            "\\xzz",
            "\\x{110000}",
            "\\ä",
            "\\p",
            "\\pX",
            "\\p{Greek",
            "[\\",
            "[a-\\",
        ];
        for text in texts {
            assert!(fault(text).is_some(), "{text}");
        }
    }
}
