//! Folders of files.

use std::{fs, os::unix::fs::symlink, sync::Arc};

use async_trait::async_trait;
use socketpass::session_store::{Fault, SessionStore};
use tempfile::TempDir;

use super::contract::{Backend, contract};
use crate::support::{
    ANA, ANA_ID,
    store::{destroy, found, load, open},
};

struct InFolder(TempDir);

impl InFolder {
    fn create() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, id: &str) -> std::path::PathBuf {
        self.0.path().join(format!("{id}.json"))
    }
}

#[async_trait]
impl Backend for InFolder {
    fn store(&self) -> Arc<dyn SessionStore> {
        open(&format!("file:{}", self.0.path().display()), &[])
    }

    async fn put(&self, id: &str, session: &[u8]) {
        // As write-file-atomic does.
        let new = self.0.path().join("new");
        fs::write(&new, session).unwrap();
        fs::rename(new, self.file(id)).unwrap();
    }

    async fn remove(&self, id: &str) {
        fs::remove_file(self.file(id)).unwrap();
    }

    fn place(&self, id: &str) -> String {
        format!("file `{id}.json`")
    }

    fn takes_id(&self, id: &str) -> bool {
        id.len() <= 250 && !id.contains(['/', '\\', '\0'])
    }
}

contract!(InFolder::create());

#[tokio::test]
async fn no_id_leads_out_of_the_folder() {
    let outside = TempDir::new().unwrap();
    let inside = outside.path().join("sessions");
    fs::create_dir(&inside).unwrap();
    fs::write(outside.path().join("admin.json"), ANA).unwrap();
    fs::create_dir(inside.join("deeper")).unwrap();
    fs::write(inside.join("deeper/admin.json"), ANA).unwrap();
    let store = open(&format!("file:{}", inside.display()), &[]);
    let absolute = outside.path().join("admin").display().to_string();
    for id in ["../admin", "deeper/admin", "./deeper/admin", &absolute, "..\\admin", "../admin.json\0"] {
        assert_eq!(load(&*store, id).await, Ok(None), "{id:?}");
        assert_eq!(destroy(&*store, id).await, Ok(()), "{id:?}");
    }
    symlink(outside.path().join("admin.json"), inside.join("link.json")).unwrap();
    assert!(matches!(load(&*store, "link").await, Err(Fault::NotASession(_))));
    // Where it leads to nothing happens.
    assert_eq!(destroy(&*store, "link").await, Ok(()));
    assert!(!inside.join("link.json").is_symlink());
    for stays in [outside.path().join("admin.json"), inside.join("deeper/admin.json")] {
        assert!(stays.exists(), "{stays:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_a_session() {
    let backend = InFolder::create();
    fs::create_dir(backend.file("folder")).unwrap();
    // One that would be waited for.
    let made = std::process::Command::new("mkfifo").arg(backend.file("pipe")).status();
    assert!(made.unwrap().success());
    let store = backend.store();
    for id in ["folder", "pipe"] {
        let answer = load(&*store, id).await;
        assert!(matches!(answer, Err(Fault::NotASession(_))), "{id}: {answer:?}");
    }
    assert!(matches!(destroy(&*store, "folder").await, Err(Fault::NotASession(_))));
    assert!(backend.file("folder").is_dir());
    backend.put(ANA_ID, ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
}
