//! The text of quoted scalars with escapes, of YAML and of JSON: JSON's escapes are
//! some of YAML's.
//!
//! Refuses to judge: a reader has checked that every escape is one of its language.

/// The text between the quotes of a double-quoted scalar on one line, escapes resolved.
///
/// Halves of surrogate pairs, which only JSON allows, become U+FFFD, as in Go.
pub(crate) fn unescape(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(backslash) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some(sign) = rest.chars().next() else {
            break;
        };
        rest = &rest[sign.len_utf8()..];
        match sign {
            'x' => push_code(&mut text, &mut rest, 2),
            'u' => push_code(&mut text, &mut rest, 4),
            'U' => push_code(&mut text, &mut rest, 8),
            sign => text.push(simple(sign)),
        }
    }
    text.push_str(rest);
    text
}

/// The character that a backslash and one sign stand for.
fn simple(sign: char) -> char {
    match sign {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        sign => sign,
    }
}

/// Adds the character of this many hexadecimal digits.
fn push_code(text: &mut String, rest: &mut &str, digits: usize) {
    let code = take_code(rest, digits);
    let low = rest.strip_prefix("\\u").and_then(|mut rest| {
        let low = take_code(&mut rest, 4);
        (0xdc00..0xe000).contains(&low).then_some((low, rest))
    });
    match low {
        Some((low, behind)) if (0xd800..0xdc00).contains(&code) => {
            *rest = behind;
            let code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        _ => text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
    }
}

fn take_code(rest: &mut &str, digits: usize) -> u32 {
    let Some((code, behind)) = rest.split_at_checked(digits) else {
        return 0xfffd;
    };
    *rest = behind;
    u32::from_str_radix(code, 16).unwrap_or(0xfffd)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn resolves_escapes() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"\x41\u00e9\U0001F600", "Aé😀"),
            (r"\ud83d\ude00.", "😀."),
            (r"\ud83d.", "\u{fffd}."),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83dA", "\u{fffd}A"),
            (
                r"\0\a\v\e\N\_\L\P\ x",
                "\0\u{7}\u{b}\u{1b}\u{85}\u{a0}\u{2028}\u{2029} x",
            ),
        ];
        for (quoted, text) in cases {
            assert_eq!(unescape(quoted), text, "{quoted}");
        }
    }
}
