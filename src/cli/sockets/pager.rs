//! Standard output, through a pager when it is a terminal and there is more than a screen of it.

use std::{
    env,
    io::{self, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

use anstream::{AutoStream, ColorChoice, StripStream};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Error, style};

/// When nothing else is set. `-R` colours, `-F` no paging of what fits after all, `-X` leaves the text on the screen.
const LESS: [&str; 2] = ["less", "-RFX"];

/// The terminal's columns and lines, when standard output is one.
pub(super) fn terminal() -> Option<(usize, usize)> {
    let (columns, lines) = terminal_size::terminal_size_of(io::stdout())?;
    Some((columns.0.into(), lines.0.into()))
}

/// Where tables are written to. To be ended with [`Pager::finish`].
pub(super) struct Pager {
    state: State,
}

enum State {
    /// No terminal, or no pager.
    Direct,
    /// It may still fit on the screen.
    Waiting {
        text: Vec<u8>,
        lines: usize,
        screen: usize,
    },
    Paging(Paging),
}

struct Paging {
    pager: Child,
    pipe: Option<Box<dyn Write + Send>>,
    /// Ctrl-C is the pager's: it would be left behind on the terminal if we ended at it.
    _interrupt: Option<Signal>,
}

impl Pager {
    pub(super) fn new() -> Self {
        let state = match terminal() {
            Some((_, lines)) => {
                State::Waiting { text: Vec::new(), lines: 0, screen: lines.saturating_sub(1) }
            }
            None => State::Direct,
        };
        Self { state }
    }

    /// Waits until the reader has done with it. What was printed; `None` when the reader left before the end, having seen
    /// enough.
    pub(super) fn finish<T>(self, printed: Result<T, Error>) -> Result<Option<T>, Error> {
        match (printed, self.end()) {
            (Err(Error::Output(error)), _) | (Ok(_), Err(error)) => match error.kind() {
                io::ErrorKind::BrokenPipe => Ok(None),
                _ => Err(Error::Output(error)),
            },
            (printed, _) => printed.map(Some),
        }
    }

    fn end(self) -> io::Result<()> {
        match self.state {
            State::Direct => io::stdout().flush(),
            State::Waiting { text, .. } => anstream::stdout().write_all(&text),
            State::Paging(Paging { mut pager, mut pipe, _interrupt }) => {
                let flushed = pipe.as_mut().map_or(Ok(()), Write::flush);
                // The pager sees the end of the text.
                drop(pipe);
                pager.wait()?;
                flushed
            }
        }
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Direct => anstream::stdout().write_all(bytes)?,
            State::Waiting { text, lines, screen } => {
                text.extend_from_slice(bytes);
                *lines += bytes.iter().filter(|byte| **byte == b'\n').count();
                if *lines > *screen {
                    let text = std::mem::take(text);
                    self.state = start().map_or(State::Direct, State::Paging);
                    self.write_all(&text)?;
                }
            }
            State::Paging(Paging { pipe: Some(pipe), .. }) => pipe.write_all(bytes)?,
            State::Paging(Paging { pipe: None, .. }) => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Direct => io::stdout().flush(),
            State::Paging(Paging { pipe: Some(pipe), .. }) => pipe.flush(),
            State::Waiting { .. } | State::Paging(_) => Ok(()),
        }
    }
}

/// `$PAGER`, else less; `None` when `$PAGER` is empty or neither is there.
fn start() -> Option<Paging> {
    let set = env::var("PAGER").ok();
    let words: Vec<&str> = set.as_deref().unwrap_or("less -RFX").split_whitespace().collect();
    if words.is_empty() {
        return None;
    }
    let mut pager = spawn(&words).or_else(|_absent| spawn(&LESS)).ok()?;
    let pipe = pager.stdin.take().map(colours);
    Some(Paging { pager, pipe, _interrupt: signal(SignalKind::interrupt()).ok() })
}

fn spawn(words: &[&str]) -> io::Result<Child> {
    let Some((program, arguments)) = words.split_first() else { return Err(io::ErrorKind::NotFound.into()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // A `$PAGER` that says `less` alone would show colours as codes.
        command.env("LESS", "RFX");
    }
    command.spawn()
}

/// As standard output would have them: the pager shows its text there.
fn colours(pipe: ChildStdin) -> Box<dyn Write + Send> {
    let pipe: Box<dyn Write + Send> = Box::new(io::BufWriter::new(pipe));
    match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => Box::new(StripStream::new(pipe)),
        _ => pipe,
    }
}

/// A question to the person at the terminal; yes only when it is answered so.
pub(in crate::cli) fn confirm(question: &str) -> io::Result<bool> {
    write!(anstream::stderr(), "{} [y/N] ", style::plain(question))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
