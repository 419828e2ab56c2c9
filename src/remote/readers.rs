//! Files, which are read on threads: one over a network may keep a thread for good.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::Failure;

/// How many threads may wait for the disk: one that hangs must not take them all.
const READERS: usize = 16;

/// Reads on so many threads and no more, those included that nobody waits for any longer.
#[derive(Debug)]
pub struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS)))
    }
}

impl Readers {
    /// Reads, on a thread of its own.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let reader = Arc::clone(&self.0).try_acquire_owned();
        let reader = reader.map_err(|_| Failure::NoAnswer("earlier reads hang".to_owned()))?;
        let reading = spawn_blocking(move || {
            let _reader = reader;
            read()
        });
        reading.await.unwrap_or_else(|ended| Err(Failure::Broken(ended.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn reads_that_hang_take_so_many_threads_also_when_nobody_waits_any_longer() {
        let readers = Readers::default();
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let begun = join_all((0..READERS).map(|_| {
            let hang = Arc::clone(&hang);
            let reading = readers.read(move || hang.lock().unwrap().recv().or(Ok(())));
            tokio::time::timeout(std::time::Duration::from_millis(1), reading)
        }));
        assert!(begun.await.iter().all(Result::is_err));
        let refused = readers.read(|| Ok(())).await;
        assert_eq!(refused, Err(Failure::NoAnswer("earlier reads hang".to_owned())));
        release.send(()).unwrap();
        while readers.read(|| Ok(())).await.is_err() {
            tokio::task::yield_now().await;
        }
        drop(release);
    }
}
