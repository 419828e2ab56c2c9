//! Ways in which sessions end, one after the other at a pace.

use std::{sync::Arc, time::Duration};

use redis::{aio::MultiplexedConnection, cmd, pipe};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{apps::App, book::Book, people, told::now};

/// One way.
#[derive(Clone)]
pub enum Way {
    /// Its key is deleted.
    Delete(MultiplexedConnection),
    /// Its user is taken out, as Passport before 0.6 does.
    Empty(MultiplexedConnection),
    /// Somebody logs out of the app.
    LogOut(Box<App>),
}

impl Way {
    async fn end(&mut self, session_id: &str) {
        match self {
            Self::Delete(redis) => {
                let () = cmd("DEL").arg(people::key(session_id)).query_async(redis).await.unwrap();
            }
            Self::Empty(redis) => {
                let mut command = cmd("SET");
                command.arg(people::key(session_id)).arg(people::logged_out());
                let () = command.query_async(redis).await.unwrap();
            }
            Self::LogOut(app) => app.log_out(session_id).await,
        }
    }
}

/// Ends these sessions, so many a second. What counts as the end is when it is asked for.
pub async fn end(book: &Arc<Book>, clients: &[usize], way: &Way, a_second: f64) {
    let begin = Instant::now();
    let mut under_way = JoinSet::new();
    for (place, &client) in clients.iter().enumerate() {
        sleep_until(begin + Duration::from_secs_f64(place as f64 / a_second)).await;
        let session_id = book.entry(client).session_id;
        let mut way = way.clone();
        book.ends(client, now());
        under_way.spawn(async move { way.end(&session_id).await });
        while under_way.try_join_next().is_some() {}
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

/// Has the time of these sessions run out, so many a second, beginning so much later. Says when the last one has.
pub async fn expire(
    book: &Book,
    redis: &mut MultiplexedConnection,
    clients: &[usize],
    a_second: f64,
    after: Duration,
) -> Instant {
    const TOGETHER: usize = 1_000;
    const MILLISECOND: u64 = 1_000_000;
    let (begin, begin_here) =
        (now() / MILLISECOND + u64::try_from(after.as_millis()).unwrap(), Instant::now() + after);
    let mut last = Duration::ZERO;
    for (part, clients) in clients.chunks(TOGETHER).enumerate() {
        let mut together = pipe();
        for (place, &client) in clients.iter().enumerate() {
            last = Duration::from_secs_f64((part * TOGETHER + place) as f64 / a_second);
            let at = begin + u64::try_from(last.as_millis()).unwrap();
            book.ends(client, at * MILLISECOND);
            together.cmd("PEXPIREAT").arg(people::key(&book.entry(client).session_id)).arg(at).ignore();
        }
        let () = together.query_async(redis).await.unwrap();
    }
    begin_here + last
}
