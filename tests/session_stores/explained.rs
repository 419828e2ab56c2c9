//! What people are told to look at, which is another thing for each store.

use tempfile::TempDir;

use crate::support::{
    ANA_ID, cookie,
    service::{Service, explain, with_cookie},
};

async fn hint_of_a_missing_session(url: &str) -> (String, String) {
    let service = Service::start(&[("SESSION_STORE", url)]).await;
    let explained = explain(&mut service.client().await, with_cookie(&cookie(ANA_ID))).await;
    let step = explained.steps.into_iter().find(|step| step.name == "store").unwrap();
    service.stop().await;
    (step.found, step.hint)
}

#[tokio::test]
async fn a_missing_session_is_explained_by_the_settings_of_its_store() {
    let folder = TempDir::new().unwrap();
    let (found, hint) = hint_of_a_missing_session(&format!("file:{}", folder.path().display())).await;
    assert_eq!(found, "no file `Zk3….json`");
    assert!(hint.contains("session.store") && !hint.contains("prefix"), "{hint}");

    let file = folder.path().join("sessions");
    let url = format!("sqlite:{}", file.display());
    let create = "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)";
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query(create).execute(&mut connection).await.unwrap();
    let (found, hint) = hint_of_a_missing_session(&url).await;
    assert_eq!(found, "no row `Zk3…` of table `sessions`");
    assert!(
        hint.contains("session.layout") && hint.contains("session.table") && !hint.contains("prefix"),
        "{hint}"
    );
}
