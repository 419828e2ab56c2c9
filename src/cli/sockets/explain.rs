//! `sockets explain`.

use std::io::{self, Write as _};

use clap::Args;

use super::{
    connect::ConnectArgs,
    json, pager,
    params::ParamArgs,
    people,
    table::{Cell, Column, Table},
};
use crate::{
    cli::{
        Error,
        style::{GOOD, HINT, plain_json},
    },
    grpc::pb::{ExplainFilterRequest, FilterStep},
};

/// Explain how a filter is answered: what comes from an index, and what is evaluated one by one.
#[derive(Debug, Args)]
pub struct Explain {
    /// A CEL expression over `user`, `socket`, `gateway` and `params`.
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// Print JSON, a step a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Explain {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, json, connect } = self;
        let question = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        let request = ExplainFilterRequest { filter: question.filter, params: question.params };
        let mut client = connection.client.clone();
        let steps = connection.answer(client.explain_filter(request)).await?.steps;
        if json {
            let mut out = io::stdout().lock();
            return Ok(steps
                .iter()
                .try_for_each(|step| writeln!(out, "{}", plain_json(&json::step(step).to_string())))?);
        }
        let columns =
            vec![Column::text("expression"), Column::text("answered by"), Column::figure("sockets")];
        let rows: Vec<_> = steps.iter().map(row).collect();
        let width = pager::terminal().map(|(width, _)| width);
        Ok(Table::print(&mut anstream::stdout().lock(), columns, &rows, width)?)
    }
}

fn row(step: &FilterStep) -> Vec<Cell> {
    let FilterStep { expression, index, sockets } = step;
    let by = match (index.as_str(), expression.as_str()) {
        // Constants, which the plan counts by gateways.
        (_, "true") => Cell::styled("nothing to evaluate: all sockets", GOOD),
        (_, "false") => Cell::styled("nothing to evaluate: no socket", GOOD),
        ("", _) => Cell::styled("evaluated one by one", HINT),
        (index, _) => Cell::styled(&format!("index {index}"), GOOD),
    };
    vec![Cell::new(expression), by, Cell::new(&people::number(*sockets))]
}
