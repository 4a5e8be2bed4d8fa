//! From the bytes of one file to its text: unpacked, within limits, and in UTF-8.
//!
//! Refuses to know where the bytes come from, and what the text says.

use super::{Limits, ProblemKind, SkipReason};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

/// The text of a file.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) is_compressed: bool,
}

/// Why there is no text.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) kind: ProblemKind,
    /// Why that is no fault of a file that nobody has asked for, where it is none: no tool
    /// for Kubernetes could have written these bytes.
    pub(super) unless_asked_for: Option<SkipReason>,
}

impl From<ProblemKind> for Refusal {
    fn from(kind: ProblemKind) -> Self {
        Self {
            kind,
            unless_asked_for: None,
        }
    }
}

/// Reads all bytes and makes a text of them. `size` is how many there probably are.
pub(super) fn read(reader: &mut dyn Read, size: u64, limits: &Limits) -> Result<Text, Refusal> {
    let limit = limits.file_bytes;
    let too_large = ProblemKind::TooLarge { limit };
    if size > limit {
        return Err(too_large.into());
    }
    // One byte of room more lets the reader see the end without growing.
    let mut bytes = Vec::with_capacity(size as usize + 1);
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| super::refused(&error))?;
    if bytes.len() as u64 > limit {
        return Err(too_large.into());
    }
    let is_compressed = bytes.starts_with(&GZIP_MAGIC);
    if is_compressed {
        bytes = unpack(&bytes, limits)?;
    }
    let text = text(bytes)?;
    Ok(Text {
        text,
        is_compressed,
    })
}

/// The first two bytes of every gzip member (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn unpack(packed: &[u8], limits: &Limits) -> Result<Vec<u8>, ProblemKind> {
    let by_ratio = (packed.len() as u64).saturating_mul(limits.gzip_ratio);
    let limit = by_ratio.max(limits.gzip_floor).min(limits.file_bytes);
    let text = || MultiGzDecoder::new(packed).take(limit + 1);
    // Counted before anything is kept, so that a bomb costs no memory.
    let length = match io::copy(&mut text(), &mut io::sink()) {
        Ok(length) if length > limit => return Err(ProblemKind::GzipBomb { limit }),
        Ok(length) => length,
        Err(error) => return Err(damaged(&error)),
    };
    let mut bytes = Vec::with_capacity(length as usize + 1);
    match text().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(damaged(&error)),
    }
}

fn damaged(error: &io::Error) -> ProblemKind {
    ProblemKind::BadGzip {
        reason: match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string().to_lowercase(),
        },
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    if let Some(encoding) = other_encoding(&bytes) {
        let kind = ProblemKind::OtherEncoding { encoding };
        return Err(no_text(kind, &bytes));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        no_text(ProblemKind::NotUtf8 { offset }, error.as_bytes())
    })
}

fn no_text(kind: ProblemKind, bytes: &[u8]) -> Refusal {
    let unless_asked_for = (!may_be_manifest(bytes)).then_some(SkipReason::Binary);
    Refusal {
        kind,
        unless_asked_for,
    }
}

/// The encoding of a text that is not UTF-8, by its byte order mark or, as such a text
/// begins with ASCII, by its zero bytes (YAML 1.2, 5.2).
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Whether bytes that are no UTF-8 might be a Kubernetes object nevertheless, in another
/// encoding or with a damaged letter.
fn may_be_manifest(bytes: &[u8]) -> bool {
    const WORD: &[u8] = b"apiVersion";
    let mut matched = 0;
    // Of no prefix of the word another prefix is a suffix, so the match need not go back.
    bytes.iter().filter(|byte| **byte != 0).any(|byte| {
        matched = match *byte {
            byte if byte == WORD[matched] => matched + 1,
            byte if byte == WORD[0] => 1,
            _ => 0,
        };
        matched == WORD.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const LIMITS: Limits = Limits {
        file_bytes: 1000,
        total_bytes: 4000,
        git_file_bytes: 1000,
        git_total_bytes: 1000,
        git_copies: 10,
        files: 10,
        entries: 10,
        gzip_ratio: 10,
        gzip_floor: 100,
        hidden: false,
        ignored: false,
    };

    fn outcome(bytes: &[u8]) -> Result<String, ProblemKind> {
        let text = read(&mut &*bytes, 0, &LIMITS);
        text.map(|text| text.text).map_err(|refusal| refusal.kind)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("a vector takes all bytes");
        encoder.finish().expect("a vector takes all bytes")
    }

    #[test]
    fn text_is_utf8_with_or_without_a_mark() {
        assert_eq!(outcome(b"a: \xc3\xa4"), Ok("a: ä".to_owned()));
        assert_eq!(outcome(b"\xef\xbb\xbfa: 1"), Ok("\u{feff}a: 1".to_owned()));
        assert_eq!(outcome(b""), Ok(String::new()));
        assert_eq!(outcome(b"a: \0"), Ok("a: \0".to_owned()));
        assert_eq!(
            outcome(b"a: \xe4b"),
            Err(ProblemKind::NotUtf8 { offset: 3 })
        );
    }

    #[test]
    fn other_encodings_are_named() {
        let other = |encoding| Err(ProblemKind::OtherEncoding { encoding });
        assert_eq!(outcome(b"\xff\xfea\0"), other("UTF-16"));
        assert_eq!(outcome(b"\xfe\xff\0a"), other("UTF-16"));
        assert_eq!(outcome(b"a\0p\0i\0"), other("UTF-16"));
        assert_eq!(outcome(b"\0a\0p\0i"), other("UTF-16"));
        assert_eq!(outcome(b"\xff\xfe\0\0a\0\0\0"), other("UTF-32"));
        assert_eq!(outcome(b"\0\0\0a"), other("UTF-32"));
    }

    #[test]
    fn gzip_is_told_by_its_bytes() {
        assert_eq!(outcome(&gzip(b"a: 1")), Ok("a: 1".to_owned()));
        let two = [gzip(b"a: 1\n"), gzip(b"b: 2\n")].concat();
        assert_eq!(outcome(&two), Ok("a: 1\nb: 2\n".to_owned()));
        let cut = gzip(b"a: 1");
        let cut = &cut[..cut.len() - 3];
        assert!(matches!(outcome(cut), Err(ProblemKind::BadGzip { .. })));
    }

    #[test]
    fn limits_hold_before_and_after_unpacking() {
        assert_eq!(
            outcome(&[b'a'; 1001]),
            Err(ProblemKind::TooLarge { limit: 1000 })
        );
        assert_eq!(outcome(&[b'a'; 1000]), Ok("a".repeat(1000)));
        let bomb = gzip(&[b'a'; 900]);
        let limit = (bomb.len() as u64 * LIMITS.gzip_ratio).max(LIMITS.gzip_floor);
        assert!(limit < 900, "the bomb must be one");
        assert_eq!(outcome(&bomb), Err(ProblemKind::GzipBomb { limit }));
    }

    #[test]
    fn a_damaged_manifest_is_told_from_other_bytes() {
        let is_foreign = |bytes: &[u8]| {
            read(&mut &*bytes, 0, &LIMITS)
                .expect_err("the bytes are no text")
                .unless_asked_for
                .is_some()
        };
        assert!(is_foreign(b"\x89PNG\r\n\x1a\n\xff"));
        assert!(!is_foreign(b"name: \xff\naapiVersion: v1"));
        assert!(!is_foreign(b"\xff\xfea\0p\0i\0V\0e\0r\0s\0i\0o\0n\0:\0"));
    }
}
