//! `memory:`.

use std::sync::Arc;

use async_trait::async_trait;
use socketpass::session_store::{MemoryStore, SessionStore};

use super::contract::{Backend, contract};

#[derive(Default)]
struct InMemory(Arc<MemoryStore>);

#[async_trait]
impl Backend for InMemory {
    fn store(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.0) as Arc<dyn SessionStore>
    }

    async fn put(&self, id: &str, session: &[u8]) {
        self.0.insert(id, session);
    }

    async fn remove(&self, id: &str) {
        self.0.remove(id);
    }

    fn place(&self, id: &str) -> String {
        format!("key `{id}`")
    }
}

contract!(InMemory::default());
