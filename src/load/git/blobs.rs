//! The texts of git's objects, many at once.
//!
//! Refuses to know which files they belong to.

use super::program;
use super::{GitError, ObjectId};
use crate::load::decode::{self, Refusal, Text};
use crate::load::program::Taken;
use crate::load::{Limits, ProblemKind, SkipReason};
use std::io::{self, BufRead, Read};

/// What git keeps in the place of a text that Git LFS keeps.
const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/";

/// The texts of the objects, in the same order: up to the first that is over the limit of
/// all bytes.
pub(super) fn read(
    objects: &[&ObjectId],
    limits: &Limits,
) -> Result<Vec<Result<Text, Refusal>>, GitError> {
    let mut texts = Texts::default();
    while texts.texts.len() < objects.len() && !texts.is_over(limits) {
        let left = &objects[texts.texts.len()..];
        let questions: Vec<&str> = left.iter().map(|object| &*object.0).collect();
        let questions = questions.join("\n") + "\n";
        let arguments = ["cat-file", "--batch", "--buffer"];
        program::stream(&arguments, questions.as_bytes(), |printed| {
            texts.take(left.len(), printed, limits)
        })?;
    }
    Ok(texts.finished(objects.len(), limits))
}

#[derive(Default)]
struct Texts {
    texts: Vec<Result<Text, Refusal>>,
    used: u64,
}

impl Texts {
    /// Takes the answers of `cat-file --batch`. Ends with one that is too large, rather than
    /// wait for all of its bytes.
    fn take(
        &mut self,
        count: usize,
        printed: &mut dyn BufRead,
        limits: &Limits,
    ) -> io::Result<Taken<()>> {
        for _ in 0..count {
            let mut header = Vec::new();
            if printed.read_until(b'\n', &mut header)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // `OBJECT blob SIZE`, or `OBJECT missing`.
            let header = String::from_utf8_lossy(&header);
            let mut words = header.split_whitespace().skip(1);
            let (kind, size) = (
                words.next(),
                words.next().and_then(|size| size.parse().ok()),
            );
            let Some(size) = size else {
                self.texts.push(Err(lost()));
                continue;
            };
            let mut content = printed.take(size);
            let text = decode::read(&mut content, size, limits);
            if size > limits.file_bytes {
                self.texts.push(text);
                return Ok(Taken::Enough(()));
            }
            if content.limit() > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            printed.read_exact(&mut [0])?;
            let text = if kind == Some("blob") {
                text
            } else {
                Err(lost())
            };
            let text = text.and_then(no_pointer);
            self.used += text.as_ref().map_or(0, |text| text.text.len() as u64);
            self.texts.push(text);
            if self.is_over(limits) {
                return Ok(Taken::Enough(()));
            }
        }
        Ok(Taken::All(()))
    }

    fn is_over(&self, limits: &Limits) -> bool {
        self.used > limits.total_bytes
    }

    /// The texts of so many objects; instead of the one that is too much, how many are missing.
    fn finished(mut self, count: usize, limits: &Limits) -> Vec<Result<Text, Refusal>> {
        if self.is_over(limits) {
            let others = count - self.texts.len();
            let limit = limits.total_bytes;
            self.texts.pop();
            let cut = ProblemKind::TotalTooLarge { limit, others };
            self.texts.push(Err(cut.into()));
        }
        self.texts
    }
}

/// Why there is no text where git has no such object.
fn lost() -> Refusal {
    let reason = "git does not have its text".to_owned();
    ProblemKind::Unreadable { reason }.into()
}

fn no_pointer(text: Text) -> Result<Text, Refusal> {
    if !text.text.starts_with(LFS_POINTER) {
        return Ok(text);
    }
    Err(Refusal {
        kind: ProblemKind::LargeFile,
        unless_asked_for: Some(SkipReason::LargeFile),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_together_have_a_limit() {
        let printed = b"1 blob 4\naaaa\n2 blob 4\nbbbb\n3 blob 4\ncccc\n4 blob 4\ndddd\n";
        for (total_bytes, expected) in [(16, 4), (15, 4), (11, 3), (8, 3), (3, 1)] {
            let limits = &Limits {
                total_bytes,
                ..Limits::default()
            };
            let mut texts = Texts::default();
            let taken = texts
                .take(4, &mut &printed[..], limits)
                .expect("git prints it so");
            // Git is not asked for what is too much anyway.
            assert_eq!(matches!(taken, Taken::All(())), total_bytes == 16);
            let finished = texts.finished(4, limits);
            assert_eq!(finished.len(), expected, "{total_bytes}");
            let last = finished.last().and_then(|text| text.as_ref().err());
            let kind = last.map(|refusal| refusal.kind.clone());
            let cut = ProblemKind::TotalTooLarge {
                limit: total_bytes,
                others: 4 - expected,
            };
            assert_eq!(kind, (total_bytes < 16).then_some(cut));
        }
    }
}
