//! `gateways`.

use std::{
    io::{self, Write as _},
    time::SystemTime,
};

use clap::Args;

use super::{
    connect::ConnectArgs,
    json,
    pager::{self, Pager},
    people,
    table::{Cell, Column, Table},
    view,
};
use crate::{
    cli::{
        Error,
        style::{DIM, GOOD, HINT, plain_json},
    },
    grpc::pb::{Gateway, GatewayState, ListGatewaysRequest, ListGatewaysResponse},
};

/// List the gateways, and whether they are heard of.
#[derive(Debug, Args)]
pub struct Gateways {
    /// Print JSON, a gateway a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Gateways {
    pub(in crate::cli) async fn run(self) -> Result<(), Error> {
        let Self { json, connect } = self;
        let connection = connect.connect().await?;
        let mut client = connection.client.clone();
        let answer = connection.answer(client.list_gateways(ListGatewaysRequest {})).await?;
        let ListGatewaysResponse { gateways, view } = answer;
        if json {
            let mut out = io::BufWriter::new(io::stdout());
            for gateway in &gateways {
                writeln!(out, "{}", plain_json(&json::gateway(gateway).to_string()))?;
            }
            out.flush()?;
        } else if gateways.is_empty() {
            let _ = writeln!(anstream::stderr(), "no gateway reports here");
        } else {
            print_table(&gateways)?;
        }
        view::warn(view.as_ref());
        Ok(())
    }
}

fn print_table(gateways: &[Gateway]) -> Result<(), Error> {
    let columns = vec![
        Column::text("gateway_id"),
        Column::text("state"),
        Column::figure("sockets"),
        Column::text("last_seen"),
        Column::text("incarnation"),
        Column::text("labels"),
    ];
    let now = SystemTime::now();
    let rows: Vec<_> = gateways.iter().map(|gateway| row(gateway, now)).collect();
    let mut pager = Pager::new();
    let printed = Table::print(&mut pager, columns, &rows, pager::terminal().map(|(width, _)| width));
    pager.finish(printed.map_err(Error::Output))?;
    Ok(())
}

fn row(gateway: &Gateway, now: SystemTime) -> Vec<Cell> {
    let state = match gateway.state() {
        GatewayState::Live => Cell::styled("LIVE", GOOD),
        GatewayState::Late => Cell::styled("LATE", HINT),
        GatewayState::Unspecified => Cell::styled("unknown", DIM),
    };
    let last_seen = gateway.last_seen.as_ref();
    let labels: Vec<_> = gateway.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        Cell::new(&gateway.gateway_id),
        state,
        Cell::new(&people::number(gateway.sockets)),
        Cell::new(&last_seen.map_or(String::new(), |at| people::ago(at.seconds, at.nanos, now))),
        Cell::styled(&gateway.incarnation, DIM),
        Cell::new(&labels.join(" ")),
    ]
}
