//! `portolan errors`: the page that documents the error codes, made from the codes themselves.

use std::fmt::Write;

use clap::Args;

use super::{Outcome, speak::print};
use crate::kernel::error::Code;

/// Print the page that documents the error codes.
#[derive(Args, Debug)]
pub(super) struct Errors {}

impl Errors {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "commands are called alike")]
    pub(super) fn run(self) -> Outcome {
        print(&page());
        Ok(())
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every error carries one of these codes in `extensions.code`, and the id of its request in\n\
         `extensions.requestId`. The list is closed: a code is never renamed and its meaning never changes.\n\
         This page is made by `portolan errors`.\n\n\
         | code | status | meaning | retry | what to do |\n|---|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let retry = if code.retry() { "yes" } else { "no" };
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {retry} | {} |",
            code.name(),
            code.status(),
            code.meaning().trim(),
            code.remedy()
        );
    }
    page.push_str(
        "\nThe status is that of a request that was refused with this error. An operation that ran answers 200\n\
         whatever its errors are, with two exceptions: when it has no data and all its errors share one code,\n\
         it has the status of that code if the code may be retried (so 429, 500, 503 or 504), and 401 if nobody\n\
         signed in. Answers with 429 and 503 have a `Retry-After` header; an error whose waiting time is known\n\
         has it in seconds in `extensions.retryAfter` as well.\n\n\
         Clients that accept only `application/json` get 200 where the table says 400 for a document that could\n\
         not run; with `graphql.http_status = \"draft-2026\"` the status of those is 422, except for a document\n\
         that is no GraphQL, and an operation that ran with errors has the status 294.\n",
    );
    page
}
