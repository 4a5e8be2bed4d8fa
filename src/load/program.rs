//! Runs a program that answers on standard output, under watch: one that is silent for too
//! long is ended.
//!
//! Refuses to know which program it is, and what its answer means.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether the program is silent.
const PULSE: Duration = Duration::from_millis(20);

/// How a reader of what a program prints came to its end.
#[derive(Debug)]
pub(super) enum Taken<T> {
    /// It has read all of it.
    All(T),
    /// It needs no more, so the program need not go on.
    Enough(T),
}

/// How a program ended.
pub(super) struct Ended<T> {
    /// What was made of its standard output.
    pub(super) read: io::Result<Taken<T>>,
    /// Its standard error.
    pub(super) said: String,
    /// Its exit status.
    pub(super) status: ExitStatus,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It could not be started.
    NotStarted(io::Error),
    /// It was silent for this long, and was ended.
    Silent(Duration),
    /// Its end could not be waited for.
    Lost(io::Error),
}

/// Hands `input` to a program, and what it prints to `read` while it runs.
pub(super) fn run<T>(
    command: &mut Command,
    patience: Duration,
    input: &[u8],
    read: impl FnOnce(&mut dyn BufRead) -> io::Result<Taken<T>>,
) -> Result<Ended<T>, NoAnswer> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(NoAnswer::NotStarted)?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let mut stderr = child.stderr.take().expect("standard error is piped");
    let watch = Watch {
        child: Mutex::new(child),
        silent_since: Mutex::new(None),
        was_killed: AtomicBool::new(false),
    };
    let mut printed = Printed {
        inner: watch
            .lock()
            .stdout
            .take()
            .expect("standard output is piped"),
        watch: &watch,
    };
    // All three pipes have an end, and none must wait for another.
    let (read, said, status) = thread::scope(|scope| {
        scope.spawn(move || {
            // The program may have enough earlier; then it says why.
            let _ = stdin.write_all(input);
        });
        let said = scope.spawn(move || {
            let mut said = Vec::new();
            // What cannot be read any more was not said.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let (end, is_over) = mpsc::channel();
        let watch = &watch;
        scope.spawn(move || watch.keep(patience, &is_over));
        let mut buffered = BufReader::new(&mut printed);
        let read = read(&mut buffered);
        drop(buffered);
        drop(printed);
        if !matches!(read, Ok(Taken::All(_))) {
            // It may have ended by itself.
            let _ = watch.lock().kill();
        }
        let status = watch.wait();
        // The watch ends with this, or has ended.
        let _ = end.send(());
        (read, said.join().unwrap_or_default(), status)
    });
    if watch.was_killed.load(Ordering::Relaxed) {
        return Err(NoAnswer::Silent(patience));
    }
    let status = status.map_err(NoAnswer::Lost)?;
    Ok(Ended { read, said, status })
}

/// A program that runs, and since when it owes an answer.
struct Watch {
    child: Mutex<Child>,
    silent_since: Mutex<Option<Instant>>,
    was_killed: AtomicBool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, since: Option<Instant>) {
        let silent_since = self.silent_since.lock();
        *silent_since.unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Ends the program when it has been silent for too long.
    fn keep(&self, patience: Duration, is_over: &mpsc::Receiver<()>) {
        while is_over.recv_timeout(PULSE) == Err(RecvTimeoutError::Timeout) {
            let silent_since = self.silent_since.lock();
            let silent_since = *silent_since.unwrap_or_else(PoisonError::into_inner);
            if silent_since.is_some_and(|since| since.elapsed() > patience) {
                self.was_killed.store(true, Ordering::Relaxed);
                // It may have ended by itself.
                let _ = self.lock().kill();
                return;
            }
        }
    }

    /// Waits for the end of the program, so that the watch can still end it.
    fn wait(&self) -> io::Result<ExitStatus> {
        self.note(Some(Instant::now()));
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.lock().try_wait()? {
                return Ok(status);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(PULSE);
        }
    }
}

/// What a program prints, under watch.
struct Printed<'w> {
    inner: ChildStdout,
    watch: &'w Watch,
}

impl Read for Printed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.note(Some(Instant::now()));
        let read = self.inner.read(buffer);
        self.watch.note(None);
        read
    }
}
