//! The cases, one file for each concern of the API.
//!
//! To add one, write the document with everything the root field can give and take, say what it needs, and
//! fill the variables from the [`Side`](super::world::Side) that is handed in. The rest follows. What is
//! forgotten, the tests in `rules` name by its coordinate.

mod access;
mod agent;
mod alert;
mod audit;
mod connect;
mod credential;
mod event;
mod health;
mod inbox;
mod integration;
mod invitation;
mod issuer;
mod job;
mod node;
mod order;
mod outbound;
mod partner;
mod provider;
mod session;
mod sync;
mod tenant;
mod viewer;

use super::case::Case;

/// Every case.
pub fn all() -> Vec<Case> {
    let of_concerns = [
        // The clock moves from case to case, and links to connect by end soon.
        connect::CASES,
        tenant::CASES,
        access::CASES,
        invitation::CASES,
        agent::CASES,
        issuer::CASES,
        audit::CASES,
        job::CASES,
        alert::CASES,
        event::CASES,
        session::CASES,
        viewer::CASES,
        node::CASES,
        provider::CASES,
        integration::CASES,
        health::CASES,
        sync::CASES,
        inbox::CASES,
        outbound::CASES,
        order::CASES,
        partner::CASES,
        credential::CASES,
    ];
    of_concerns.concat()
}
