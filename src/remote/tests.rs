//! A server that a test makes silent, and a clock that does not run by itself.

use std::sync::Mutex;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::*;

const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(1) };

/// What is between here and the server forgets a connection after so long.
const FORGOTTEN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Answers,
    /// It says nothing until it is in another mood.
    Stuck,
    /// It is stuck, and ends each question itself after some time.
    GivesUp,
    /// Connections that it has break.
    Restarted,
    /// This one breaks.
    Cut(u32),
}

#[derive(Clone, Debug)]
struct Server {
    mood: watch::Sender<Mood>,
    connections: Arc<Mutex<u32>>,
}

struct Connection {
    number: u32,
    used: Instant,
}

impl Server {
    fn kept(mood: Mood) -> (Self, Kept<Self>) {
        let server = Self { mood: watch::Sender::new(mood), connections: Arc::default() };
        let told = Told { url: "test:".to_owned(), log_answers: |_| {}, log_silent: |_, _| {} };
        let kept = Kept::open(server.clone(), PATIENCE, told, Duration::ZERO);
        (server, kept)
    }

    /// How many it let in so far.
    fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

#[async_trait]
impl Remote for Server {
    type Connection = Connection;
    /// How long the answer takes.
    type Question = Duration;
    type Answer = u32;

    async fn connect(&self) -> Result<Connection, String> {
        self.mood.send_if_modified(|mood| {
            let is_restarted = *mood == Mood::Restarted;
            *mood = if is_restarted { Mood::Answers } else { *mood };
            is_restarted
        });
        let mut connections = self.connections.lock().unwrap();
        *connections += 1;
        Ok(Connection { number: *connections, used: Instant::now() })
    }

    async fn ask(&self, connection: &mut Connection, takes: &Duration) -> Result<u32, Failure> {
        if connection.used.elapsed() > FORGOTTEN {
            std::future::pending::<()>().await;
        }
        connection.used = Instant::now();
        let mut mood = self.mood.subscribe();
        let now = *mood.borrow();
        match now {
            Mood::Cut(number) if number == connection.number => {
                return Err(Failure::Broken("closed".to_owned()));
            }
            Mood::Answers | Mood::Cut(_) => sleep(*takes).await,
            Mood::Stuck => drop(mood.wait_for(|mood| *mood != Mood::Stuck).await),
            Mood::GivesUp => {
                sleep(PATIENCE.of_server()).await;
                return Err(Failure::Refused("it took too long".to_owned()));
            }
            Mood::Restarted => return Err(Failure::Broken("closed".to_owned())),
        }
        Ok(connection.number)
    }
}

async fn becomes(kept: &Kept<Server>, health: Health) {
    kept.health().wait_for(|now| *now == health).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_within_half_a_second_and_the_time_that_an_answer_may_take() {
    let (server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    for silent in [Mood::Stuck, Mood::GivesUp] {
        server.mood.send_replace(silent);
        let begun = Instant::now();
        becomes(&kept, Health::Down).await;
        assert!(begun.elapsed() < PATIENCE.answer + Duration::from_millis(600), "{:?}", begun.elapsed());
        let begun = Instant::now();
        assert!(kept.ask(&Duration::ZERO).await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        server.mood.send_replace(Mood::Answers);
        becomes(&kept, Health::Up).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_questions_itself_is_asked_on_one_connection() {
    let (server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    sleep(Duration::from_secs(1)).await;
    let before = server.connections();
    server.mood.send_replace(Mood::GivesUp);
    becomes(&kept, Health::Down).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.connections(), before);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stuck_is_waited_for_ever_longer() {
    let (server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    sleep(Duration::from_secs(1)).await;
    let before = server.connections();
    server.mood.send_replace(Mood::Stuck);
    becomes(&kept, Health::Down).await;
    sleep(Duration::from_secs(600)).await;
    assert!(server.connections() - before < 20, "{}", server.connections() - before);
    // The answer that it waits for is the first to come.
    let begun = Instant::now();
    server.mood.send_replace(Mood::Answers);
    becomes(&kept, Health::Up).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_long_is_not_asked() {
    let (server, kept) = Server::kept(Mood::Answers);
    let takes = Duration::from_millis(100);
    for _ in 0..3 {
        for answer in join_all((0..8).map(|_| kept.ask(&takes))).await {
            answer.unwrap();
        }
        sleep(FORGOTTEN * 2).await;
    }
    assert!(server.connections() > 8);
}

#[tokio::test(start_paused = true)]
async fn when_a_restart_cut_the_idle_ones_another_is_asked() {
    let (server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    sleep(Duration::from_secs(1)).await;
    server.mood.send_replace(Mood::Restarted);
    kept.ask(&Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_count_that_were_lost_and_not_those_that_were_not_needed() {
    let (server, kept) = Server::kept(Mood::Answers);
    assert_eq!(kept.connection(), 0);
    becomes(&kept, Health::Up).await;
    let takes = Duration::from_millis(100);
    for _ in 0..3 {
        for answer in join_all((0..8).map(|_| kept.ask(&takes))).await {
            answer.unwrap();
        }
        sleep(FORGOTTEN * 2).await;
    }
    assert_eq!(kept.connection(), 1);
    server.mood.send_replace(Mood::Restarted);
    kept.ask(&Duration::ZERO).await.unwrap();
    // Before the keeper knows.
    assert!(kept.connection() > 1);
    let before = kept.connection();
    server.mood.send_replace(Mood::Restarted);
    sleep(Duration::from_secs(2)).await;
    assert!(kept.connection() > before);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_does_not_count_while_another_answers_that_was_there_before() {
    let (server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    let takes = Duration::from_millis(100);
    join_all((0..3).map(|_| kept.ask(&takes))).await;
    sleep(Duration::from_secs(1)).await;
    // The keeper's is the first.
    for number in [1, kept.ask(&Duration::ZERO).await.unwrap()] {
        server.mood.send_replace(Mood::Cut(number));
        assert_ne!(kept.ask(&Duration::ZERO).await.unwrap(), number);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(kept.connection(), 1, "{number}");
    }
    assert_eq!(*kept.health().borrow(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_until_the_deadline_of_the_one_who_asks() {
    let (_server, kept) = Server::kept(Mood::Answers);
    becomes(&kept, Health::Up).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let answer = kept.ask_until(deadline, &Duration::from_millis(500)).await;
    assert_eq!(answer, Err(Failure::NoAnswer("no answer within 300ms".to_owned())));
    assert_eq!(kept.ask(&Duration::from_secs(2)).await, Err(Failure::no_answer(PATIENCE.answer)));
    kept.ask(&Duration::from_millis(500)).await.unwrap();
}
