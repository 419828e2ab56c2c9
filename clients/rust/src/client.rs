//! The client: made once, shared by all that ask.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::Code;

use crate::{
    admission::random_id,
    authorize::Of,
    causes::Causes,
    decision::Close,
    loss,
    proto::{
        authorization_service_client::AuthorizationServiceClient,
        registry_service_client::RegistryServiceClient,
    },
    replicas::{Replicas, Target},
    report::Reporter,
    settings::Builder,
    sockets::{Socket, Sockets},
    task,
};

/// How long the end may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// A client of socketpass: asks about handshakes, and reports open sockets. Cheap to clone; one a process.
///
/// When the last clone is dropped without [`SocketPass::close`], the sockets stay listed until the lease ends.
#[derive(Clone)]
pub struct SocketPass(Arc<Inner>);

struct Inner {
    settings: Builder,
    replicas: Replicas,
    sockets: Arc<Sockets>,
    /// Why handshakes got no decision.
    undecided: Causes<(Of, Code)>,
    ending: watch::Sender<bool>,
    /// What sockets have still to do when they are closed.
    closing: TaskTracker,
    reporter: Mutex<Option<AbortOnDropHandle<()>>>,
    _others: Vec<AbortOnDropHandle<()>>,
}

impl SocketPass {
    /// Settings, all of which have defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn start(settings: Builder, target: Target) -> Self {
        let replicas = Replicas::new(target);
        replicas.begin().await;
        let sockets = Arc::new(Sockets::default());
        let (ending, ends) = watch::channel(false);
        let (lost, losses) = watch::channel(Some(Instant::now()));
        let reporter = Reporter {
            replicas: replicas.clone(),
            sockets: sockets.clone(),
            gateway_id: settings.gateway_id.clone(),
            incarnation: random_id(),
            labels: settings.labels.clone(),
            user_changed: settings.user_changed.clone(),
            lost,
            ending: ends,
        };
        let mut others = vec![task::owned(replicas.clone().keep()), task::owned(sockets.clone().sweep())];
        if let Some(after) = settings.close_after_loss {
            others.push(task::owned(loss::close_after(after, sockets.clone(), losses)));
        }
        Self(Arc::new(Inner {
            settings,
            replicas,
            sockets,
            undecided: Causes::default(),
            ending,
            closing: TaskTracker::new(),
            reporter: Mutex::new(Some(task::owned(reporter.run()))),
            _others: others,
        }))
    }

    /// This process' name in the fleet.
    pub fn gateway_id(&self) -> &str {
        &self.0.settings.gateway_id
    }

    /// The sockets that are open in this process.
    pub fn sockets(&self) -> Vec<Socket> {
        self.0.sockets.all()
    }

    /// The open socket with this id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.sockets.get(id)
    }

    /// Ends: closes every socket with `{4001, "gateway_draining"}`, says goodbye, and waits for the service to hear it,
    /// at most 5 s. The sockets are off the list then. A socket that still comes is closed at once.
    pub async fn close(&self) {
        let deadline = Instant::now() + CLOSE_WITHIN;
        self.0.sockets.end(&Close::gateway_draining());
        self.0.ending.send_replace(true);
        self.0.closing.close();
        let reporter = self.0.reporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reporter) = reporter {
            let _ = timeout_at(deadline, reporter).await;
        }
        let _ = timeout_at(deadline, self.0.closing.wait()).await;
    }

    /// The generated stub, for what this client has no words for. It goes round the replicas and shows the token.
    pub fn registry_stub(&self) -> RegistryServiceClient<Replicas> {
        RegistryServiceClient::new(self.replicas())
    }

    /// The generated stub, for what this client has no words for. It goes round the replicas and shows the token.
    pub fn authorization_stub(&self) -> AuthorizationServiceClient<Replicas> {
        AuthorizationServiceClient::new(self.replicas())
    }

    pub(crate) fn settings(&self) -> &Builder {
        &self.0.settings
    }

    pub(crate) fn replicas(&self) -> Replicas {
        self.0.replicas.clone()
    }

    pub(crate) fn undecided(&self) -> &Causes<(Of, Code)> {
        &self.0.undecided
    }

    pub(crate) fn tracked(&self) -> &Arc<Sockets> {
        &self.0.sockets
    }

    /// Where the tasks run that close sockets: the end waits for them.
    #[cfg(any(feature = "axum", feature = "socketioxide"))]
    pub(crate) fn closing(&self) -> &TaskTracker {
        &self.0.closing
    }
}
