//! A day, as suppressions expire by.

use std::fmt;
use std::str::FromStr;

/// A day of the calendar. Which day is today is said by the caller: no rule reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text is no day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADate;

impl Date {
    /// The day, if the calendar has it.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => return None,
        };
        (1..=length)
            .contains(&day)
            .then_some(Self { year, month, day })
    }

    /// The day (UTC) that lies this many seconds after the start of 1970.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        // The civil calendar from days, counted in eras of 400 years from 1 March 0000.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + u64::from(month <= 2);
        Self {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        }
    }
}

impl FromStr for Date {
    type Err = NotADate;

    /// Reads `2027-01-31`, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotADate> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts.as_slice() else {
            return Err(NotADate);
        };
        let is_number = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(year, 4) || !is_number(month, 2) || !is_number(day, 2) {
            return Err(NotADate);
        }
        let number = |part: &str| part.parse::<u16>().map_err(|_| NotADate);
        Self::new(number(year)?, number(month)? as u8, number(day)? as u8).ok_or(NotADate)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_counted_as_the_calendar_has_them() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("1970-01-02", 86_400),
            ("2000-02-29", 951_782_400),
            ("2026-11-21", 1_795_219_200),
            ("2027-01-31", 1_801_353_600 + 86_399),
            ("2100-03-01", 4_107_542_400),
        ] {
            let date: Date = text.parse().expect(text);
            assert_eq!(Date::from_unix_seconds(seconds), date, "{text}");
            assert_eq!(date.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "2027-02-29",
            "2027-13-01",
            "2027-1-1",
            "27-01-01",
            "2027-01-01x",
            "",
            "2027/01/01",
            "2027-00-10",
        ] {
            assert_eq!(text.parse::<Date>(), Err(NotADate), "{text}");
        }
    }

    #[test]
    fn days_are_ordered() {
        let date = |text: &str| text.parse::<Date>().expect("a date");
        assert!(date("2026-12-31") < date("2027-01-01"));
        assert!(date("2027-01-31") < date("2027-02-01"));
    }
}
