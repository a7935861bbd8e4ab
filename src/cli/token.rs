//! `portolan token`: API tokens from the command line, straight on the database.
//!
//! Whoever can run this can read the database anyway, so it acts with every right; the audit log says
//! that it was the command line.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Outcome, acting, named,
    speak::{print, print_json, say},
    with_made,
};
use crate::{
    config::Flags,
    context::Cx,
    domain::access::{
        token::{self, ApiToken, NewApiToken},
        user::RoleName,
    },
    kernel::{
        error::Error,
        id::{ApiTokenId, PartnerOrganizationId},
        page::PageArgs,
        scope::{Role, Scope},
    },
};

/// Make, list and revoke API tokens.
#[derive(Args, Debug)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a token and print it; nothing but the token goes to standard output.
    Create {
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: String,
        /// super-admin, admin, operator, viewer or partner.
        #[arg(long)]
        role: Role,
        /// A name for people.
        #[arg(long, default_value = "command line")]
        name: String,
        /// The organization of a partner's token, beginning with par_.
        #[arg(long, value_name = "ORG")]
        partner: Option<PartnerOrganizationId>,
        /// Narrows the role to this scope; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// When it ends, as 2027-01-31T12:00:00Z; never, if left out.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<DateTime<Utc>>,
        #[command(flatten)]
        settings: Flags,
    },
    /// List the tokens of a tenant.
    List {
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Flags,
    },
    /// Revoke a token; from the next request on it opens nothing.
    Revoke {
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: String,
        /// The token's id, beginning with tok_.
        id: ApiTokenId,
        #[command(flatten)]
        settings: Flags,
    },
}

impl Token {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Create { tenant, role, name, partner, scopes, expires_at, settings } => {
                let scopes = scopes.iter().map(|scope| scope.name().to_owned()).collect::<Vec<_>>();
                let scopes = (!scopes.is_empty()).then_some(scopes);
                let new = NewApiToken { name, role: RoleName(role), scopes, expires_at, agent: None, partner };
                within(&settings, &tenant, async |cx| {
                    let (made, secret) = token::create(&cx, new, None).await?;
                    if let Some(secret) = secret {
                        print(secret.expose());
                    }
                    say(&format!("made {} ({})", made.id, made.hint));
                    Ok(())
                })
            }
            Command::List { tenant, json, settings } => within(&settings, &tenant, async |cx| {
                let tokens = all(&cx).await?;
                if json {
                    print_json(&tokens.iter().map(as_json).collect());
                } else {
                    tokens.iter().for_each(line);
                }
                Ok(())
            }),
            Command::Revoke { tenant, id, settings } => within(&settings, &tenant, async |cx| {
                let revoked = token::revoke(&cx, id).await?;
                say(&format!("revoked {} ({})", revoked.id, revoked.hint));
                Ok(())
            }),
        }
    }
}

/// Runs work in a tenant.
fn within(settings: &Flags, tenant: &str, work: impl AsyncFnOnce(Cx) -> Result<(), Error>) -> Outcome {
    with_made(settings, async |app| {
        let tenant = named(app, tenant).await?;
        Ok(work(acting(app, &tenant)).await?)
    })
}

async fn all(cx: &Cx) -> Result<Vec<ApiToken>, Error> {
    let (mut tokens, mut after) = (Vec::new(), None);
    loop {
        let page = token::list(cx, &PageArgs { after, before: None, size: 100, backward: false }).await?;
        after = page.rows.last().map(|(cursor, _)| cursor.clone());
        tokens.extend(page.rows.into_iter().map(|(_, token)| token));
        if !page.has_next {
            return Ok(tokens);
        }
    }
}

fn line(token: &ApiToken) {
    let state = match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d")),
        (None, Some(at)) => format!("ends {}", at.format("%Y-%m-%d")),
        (None, None) => "never ends".to_owned(),
    };
    print(&format!("{}  {}  {:<11}  {:<18}  {}", token.id, token.hint, token.role.name(), state, token.name));
}

fn as_json(token: &ApiToken) -> serde_json::Value {
    json!({
        "id": token.id, "name": token.name, "hint": token.hint, "role": token.role.name(),
        "scopes": token.allowed().iter().map(Scope::name).collect::<Vec<_>>(),
        "createdAt": token.created_at, "expiresAt": token.expires_at,
        "lastUsedAt": token.last_used_at, "revokedAt": token.revoked_at, "partner": token.partner_organization_id,
    })
}
