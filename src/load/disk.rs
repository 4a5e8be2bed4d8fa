//! Reads the files that the arguments stand for from the disk.
//!
//! Refuses to know git.

use super::decode::{self, Refusal, Text};
use super::gather::Gathered;
use super::{Candidate, Limits, Origin, ProblemKind, refused, walk};
use crate::progress;
use rayon::prelude::*;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Finds and reads them, on all threads.
pub(super) fn gather(arguments: &[PathBuf], stdin: &mut dyn Read, limits: &Limits) -> Gathered {
    let found = walk::find(arguments, limits);
    let texts = read_all(&found.candidates, stdin, limits);
    Gathered::new(found, texts)
}

/// Reads the candidates: an answer for each, up to the first that is over the limit of all
/// bytes.
fn read_all(
    candidates: &[Candidate],
    stdin: &mut dyn Read,
    limits: &Limits,
) -> Vec<Result<Text, Refusal>> {
    let mut piped = candidates
        .iter()
        .any(|candidate| candidate.origin == Origin::Stdin)
        .then(|| decode::read(stdin, 0, limits));
    let used = AtomicU64::new(piped.as_ref().map_or(0, bytes));
    let is_over = || used.load(Ordering::Relaxed) > limits.total_bytes;
    progress::begin("reading files", candidates.len());
    let mut texts: Vec<Option<Result<Text, Refusal>>> = candidates
        .par_iter()
        .map(|candidate| {
            let Origin::Disk(path) = &candidate.origin else {
                return None;
            };
            if is_over() {
                return None;
            }
            let text = read_file(path, limits);
            used.fetch_add(bytes(&text), Ordering::Relaxed);
            progress::advance();
            Some(text)
        })
        .collect();
    for (candidate, text) in candidates.iter().zip(&mut texts) {
        if candidate.origin == Origin::Stdin {
            *text = piped.take();
        }
    }
    if is_over() {
        return cut_off(candidates, texts, limits);
    }
    texts.into_iter().flatten().collect()
}

/// Which files were read before the limit was hit depends on the threads, so the cut is
/// made again in order: what does not fit is dropped, what was left is read.
fn cut_off(
    candidates: &[Candidate],
    texts: Vec<Option<Result<Text, Refusal>>>,
    limits: &Limits,
) -> Vec<Result<Text, Refusal>> {
    let mut kept = Vec::new();
    let mut used = 0;
    for (index, (candidate, text)) in candidates.iter().zip(texts).enumerate() {
        let text = text.unwrap_or_else(|| {
            let Origin::Disk(path) = &candidate.origin else {
                unreachable!("standard input is read first, and git is not asked");
            };
            read_file(path, limits)
        });
        used += bytes(&text);
        if used > limits.total_bytes {
            let others = candidates.len() - index - 1;
            let limit = limits.total_bytes;
            kept.push(Err(ProblemKind::TotalTooLarge { limit, others }.into()));
            break;
        }
        kept.push(text);
    }
    kept
}

fn bytes(text: &Result<Text, Refusal>) -> u64 {
    text.as_ref().map_or(0, |text| text.text.len() as u64)
}

#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
fn read_file(path: &Path, limits: &Limits) -> Result<Text, Refusal> {
    let mut file = fs::File::open(path).map_err(|error| refused(&error))?;
    let size = file.metadata().map_err(|error| refused(&error))?.len();
    decode::read(&mut file, size, limits)
}
