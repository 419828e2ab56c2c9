//! Where the audit log's lines are written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Counts lines that could not be written, and says when that begins and ends.
#[derive(Debug)]
struct Faults {
    failed: Arc<AtomicU64>,
    are_going_on: bool,
}

impl Faults {
    fn note(&mut self, written: &io::Result<()>) {
        match written {
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.are_going_on, true) {
                    tracing::error!(%error, "the audit log cannot be written: its lines are lost");
                }
            }
            Ok(()) => {
                if std::mem::take(&mut self.are_going_on) {
                    tracing::info!("the audit log can be written again");
                }
            }
        }
    }
}

/// Standard output.
#[derive(Debug)]
pub(super) struct Stdout(Faults);

impl Stdout {
    pub(super) fn new(failed: Arc<AtomicU64>) -> Self {
        Self(Faults { failed, are_going_on: false })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = io::stdout().write_all(line);
        self.0.note(&written);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// A file that is only ever appended to, and opened anew when it was moved away.
#[derive(Debug)]
pub(super) struct AppendedFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
    faults: Faults,
    /// The last line was cut off: another on the same line would be lost with it.
    is_torn: bool,
}

impl AppendedFile {
    pub(super) fn open(path: &Path, failed: Arc<AtomicU64>, reopen: Arc<AtomicBool>) -> io::Result<Self> {
        let file = append_to(path)?;
        let faults = Faults { failed, are_going_on: false };
        Ok(Self { path: path.to_owned(), file, reopen, faults, is_torn: false })
    }

    fn reopen_when_told(&mut self) {
        if !self.reopen.swap(false, Ordering::Relaxed) {
            return;
        }
        match append_to(&self.path) {
            Ok(file) => {
                self.file = file;
                self.is_torn = false;
            }
            Err(error) => {
                let path = self.path.display();
                tracing::error!(%path, %error, "the audit log cannot be opened anew: it goes on in the old file");
            }
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        let written = self.file.write_all(line);
        self.is_torn = written.is_err();
        written
    }
}

/// Only this user's: it says who was where.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Write for AppendedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.reopen_when_told();
        let written = self.append(line);
        self.faults.note(&written);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, moved) = (directory.path().join("audit"), directory.path().join("audit.1"));
        let reopen = Arc::new(AtomicBool::new(false));
        let mut file = AppendedFile::open(&path, Arc::default(), Arc::clone(&reopen)).expect("a file");
        file.write_all(b"1\n").expect("written");
        std::fs::rename(&path, &moved).expect("moved");
        file.write_all(b"2\n").expect("written");
        reopen.store(true, Ordering::Relaxed);
        file.write_all(b"3\n").expect("written");
        assert_eq!(std::fs::read_to_string(&moved).expect("the old file"), "1\n2\n");
        assert_eq!(std::fs::read_to_string(&path).expect("the new file"), "3\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let failed = Arc::new(AtomicU64::new(0));
        let mut file =
            AppendedFile::open(Path::new("/dev/full"), Arc::clone(&failed), Arc::default()).expect("a file");
        for _ in 0..3 {
            file.write_all(b"x\n").expect("never an error: it would stop the writer");
        }
        assert_eq!(failed.load(Ordering::Relaxed), 3);
    }
}
