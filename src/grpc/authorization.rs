//! `AuthorizationService`.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use tonic::{Request, Response, Status};

use super::{
    context::CallContext,
    convert,
    pb::{
        self, AuthorizeRequest, AuthorizeResponse, ExplainRequest, ExplainResponse,
        authorization_service_server::AuthorizationService,
    },
};
use crate::{
    authorize::{
        Authorizer, Decision, Handshake,
        explain::{Silent, Steps},
    },
    telemetry::{audit::Audit, metrics::Metrics, traces},
};

/// The service.
#[derive(Debug)]
pub struct Authorization {
    authorizer: Arc<ArcSwap<Authorizer>>,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    max_headers: usize,
}

impl Authorization {
    /// Answers with the decisions of the authorizer in force, and has them counted and kept; a handshake may have so many headers.
    pub fn new(
        authorizer: Arc<ArcSwap<Authorizer>>,
        metrics: Arc<Metrics>,
        audit: Arc<Audit>,
        max_headers: usize,
    ) -> Self {
        Self { authorizer, metrics, audit, max_headers }
    }

    fn handshake(&self, handshake: Option<pb::Handshake>, gateway_id: &str) -> Result<Handshake, Status> {
        let headers = handshake.as_ref().map_or(0, |handshake| handshake.headers.len());
        if headers > self.max_headers {
            let problem = format!("there are {headers}, and limits.max_headers is {}", self.max_headers);
            return Err(convert::invalid("handshake.headers", problem));
        }
        convert::handshake(handshake, gateway_id)
    }
}

#[tonic::async_trait]
impl AuthorizationService for Authorization {
    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        let started = Instant::now();
        let call = CallContext::of(&request)?;
        let AuthorizeRequest { handshake, gateway_id } = request.into_inner();
        let handshake = self.handshake(handshake, &gateway_id)?;
        let decision = self.authorizer.load_full().decide(&handshake, &mut Silent).await;
        self.metrics.decided(&decision, started.elapsed());
        log(&decision, call.request_id(), &gateway_id);
        traces::decided(&gateway_id, decision.accepted, decision.reason.name());
        self.audit.decision(call.call(), &gateway_id, &handshake, &decision);
        Ok(Response::new(convert::decision(decision)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let call = CallContext::of(&request)?;
        let ExplainRequest { handshake, gateway_id } = request.into_inner();
        let handshake = self.handshake(handshake, &gateway_id)?;
        let mut steps = Steps::default();
        let decision = self.authorizer.load_full().decide(&handshake, &mut steps).await;
        tracing::info!(
            request_id = call.request_id(),
            gateway_id,
            reason = decision.reason.name(),
            "explained a handshake"
        );
        traces::decided(&gateway_id, decision.accepted, decision.reason.name());
        call.keep(|kept| kept.explained(&gateway_id, &decision));
        Ok(Response::new(convert::explained(decision, steps.0)))
    }
}

/// One line for each decision: refusals where operators look, and who was let in where they look when they want to know.
fn log(decision: &Decision, request_id: &str, gateway_id: &str) {
    let reason = decision.reason.name();
    let session_id = decision.session_id.as_ref().map(tracing::field::debug);
    if decision.accepted {
        tracing::debug!(request_id, gateway_id, reason, session_id, "accepted a handshake");
    } else {
        tracing::info!(request_id, gateway_id, reason, session_id, "refused a handshake");
    }
}
