//! Dates that stand in YAML without quotes: kustomize takes them for points in time, and writes
//! them out in full.
//!
//! Refuses to know values, and where in them dates stand.

/// A date as JSON has it, in RFC 3339; `None` for what is no date (go-yaml 3,
/// `parseTimestamp`).
pub(super) fn in_json(text: &str) -> Option<String> {
    let is_year = text.len() > 4 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    if !is_year || text.as_bytes()[4] != b'-' {
        return None;
    }
    let mut rest = &text[5..];
    let year: u32 = text[..4].parse().ok()?;
    let month = number(&mut rest, 1, 12)?;
    rest = rest.strip_prefix('-')?;
    let day = number(&mut rest, 1, days(year, month))?;
    let date = format!("{year:04}-{month:02}-{day:02}");
    let Some(separator) = rest.chars().next() else {
        return Some(format!("{date}T00:00:00Z"));
    };
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = number(&mut rest, 0, 23)?;
    rest = rest.strip_prefix(':')?;
    let minute = number(&mut rest, 0, 59)?;
    rest = rest.strip_prefix(':')?;
    let second = number(&mut rest, 0, 59)?;
    let fraction = fraction(&mut rest)?;
    let zone = match separator {
        ' ' => rest.is_empty().then(|| "Z".to_owned())?,
        _ => zone(rest)?,
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

/// A number of one or two digits at the front.
fn number(rest: &mut &str, least: u32, most: u32) -> Option<u32> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let found: u32 = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    (least..=most).contains(&found).then_some(found)
}

/// The fraction of a second at the front, without zeros at its end.
fn fraction(rest: &mut &str) -> Option<String> {
    let Some(behind) = rest.strip_prefix(['.', ',']) else {
        return Some(String::new());
    };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let kept = behind[..digits.min(9)].trim_end_matches('0');
    *rest = &behind[digits..];
    Some(match kept.is_empty() {
        true => String::new(),
        false => format!(".{kept}"),
    })
}

/// The zone that is all of a text: `Z`, or `+01:00`.
fn zone(text: &str) -> Option<String> {
    if text == "Z" {
        return Some("Z".to_owned());
    }
    let [b'+' | b'-', digits @ ..] = text.as_bytes() else {
        return None;
    };
    let [h, i, b':', m, n] = digits else {
        return None;
    };
    if ![h, i, m, n].iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let hours = (h - b'0') * 10 + (i - b'0');
    let minutes = (m - b'0') * 10 + (n - b'0');
    match (hours, minutes) {
        (0, 0) => Some("Z".to_owned()),
        (0..24, 0..60) => Some(text.to_owned()),
        _ => None,
    }
}

fn days(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::in_json;

    #[test]
    fn dates_are_written_out_in_full() {
        for (text, expected) in [
            ("2020-1-2", "2020-01-02T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            (
                "2001-12-14t21:59:43.10-05:00",
                "2001-12-14T21:59:43.1-05:00",
            ),
            ("2001-12-14 21:59:43.0", "2001-12-14T21:59:43Z"),
            ("2001-12-14T1:2:3+00:00", "2001-12-14T01:02:03Z"),
        ] {
            assert_eq!(in_json(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "2020",
            "2020-01",
            "2023-02-29",
            "2020-01-01T",
            "2001-12-14 1:2:3Z",
            "20200-1-1",
        ] {
            assert_eq!(in_json(text), None, "{text}");
        }
    }
}
