//! `portolan user`: people from the command line, straight on the database.
//!
//! For who runs the machine and cannot get in another way: the first administrator whose link is lost, a hub
//! whose administrators all forgot their passwords. Whoever can run this can read the database anyway, so it
//! acts with every right; the audit log says that it was the command line.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    Failure, Outcome, acting, named,
    speak::{print, print_json, say},
    with_made,
};
use crate::{
    app::App,
    config::Flags,
    context::Cx,
    domain::{
        access::{
            link::{self, Purpose},
            membership,
            user::{self, NewUser, RoleName},
        },
        tenant::{self, Tenant},
    },
    kernel::{error::Error, page::PageArgs, scope::Role},
};

/// Let people in: create, list, and make links to sign in.
#[derive(Args, Debug)]
pub(super) struct User {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Let a person into a tenant, and print the address where the first password is set. Nothing is printed
    /// for somebody who has one already.
    Create {
        /// The email address.
        email: String,
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: String,
        /// super-admin, admin, operator, viewer or partner.
        #[arg(long)]
        role: Role,
        /// The name for people; the address, if left out.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Flags,
    },
    /// Print an address that works once for a person; nothing else goes to standard output.
    Link {
        /// The email address.
        email: String,
        /// What it is for.
        #[arg(long = "for", value_enum, default_value_t = For::SignIn)]
        purpose: For,
        #[command(flatten)]
        settings: Flags,
    },
    /// List the people of a tenant, or of all.
    List {
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Flags,
    },
}

/// What a link is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// To sign in; good for a day.
    SignIn,
    /// To set another password; good for an hour.
    PasswordReset,
    /// To set the first password; good for seven days.
    Activation,
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::SignIn => Self::SignIn,
            For::PasswordReset => Self::PasswordReset,
            For::Activation => Self::Activation,
        }
    }
}

impl User {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Create { email, tenant, role, name, settings } => with_made(&settings, async |app| {
                let cx = acting(app, &named(app, &tenant).await?);
                let new = NewUser { name: name.unwrap_or_else(|| email.clone()), email, role: RoleName(role) };
                let made = user::create(&cx, new, None).await?;
                if made.password_hash.is_none() {
                    print_link(&cx, &made, Purpose::Activation).await?;
                }
                say(&format!("{} ({}) has the role {role} in {tenant}", made.id, made.email));
                Ok(())
            }),
            Command::Link { email, purpose, settings } => with_made(&settings, async |app| {
                let (found, home) = found(app, &email).await?;
                print_link(&acting(app, &home), &found, purpose.into()).await
            }),
            Command::List { tenant, json, settings } => with_made(&settings, async |app| {
                let tenants = match tenant {
                    Some(name) => vec![named(app, &name).await?],
                    None => tenant::all(app.hub()).await?.into_iter().filter(Tenant::lives).collect(),
                };
                let mut listed = Vec::new();
                for tenant in tenants {
                    listed.extend(people(&acting(app, &tenant), &tenant).await?);
                }
                if json {
                    print_json(&listed.iter().map(as_json).collect());
                } else {
                    listed.iter().for_each(line);
                }
                Ok(())
            }),
        }
    }
}

async fn print_link(cx: &Cx, person: &user::User, purpose: Purpose) -> Outcome {
    let (token, until) = link::make(cx, person.id, purpose).await?;
    print(link::address(cx.hub(), purpose, &token).expose());
    say(&format!("works once, for {}, until {}", person.email, until.format("%Y-%m-%d %H:%M UTC")));
    Ok(())
}

/// The person with that address, and the tenant the person has belonged to for longest.
async fn found(app: &App, email: &str) -> Result<(user::User, Tenant), Failure> {
    let nobody = || Failure::Usage(format!("nobody has the address {email:?}; `portolan user list` lists who has one"));
    let found = user::by_email(app.hub(), email).await?.ok_or_else(nobody)?;
    let home = membership::tenants_of(app.hub(), found.id).await?.into_iter().next();
    let home = home.ok_or_else(|| {
        Failure::Usage(format!("{email} belongs to no tenant; `portolan user create` lets people into one"))
    })?;
    Ok((found, home))
}

/// A person and the place in a tenant.
struct Listed {
    user: user::User,
    role: Role,
    tenant: Tenant,
}

async fn people(cx: &Cx, tenant: &Tenant) -> Result<Vec<Listed>, Error> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = user::list(cx, &PageArgs { after, before: None, size: 100, backward: false }).await?;
        after = page.rows.last().map(|(cursor, _)| cursor.clone());
        let users: Vec<_> = page.rows.into_iter().map(|(_, user)| user).collect();
        let ids: Vec<_> = users.iter().map(|user| user.id).collect();
        let bonds = membership::of_users(cx, &ids).await?;
        listed.extend(users.into_iter().filter_map(|user| {
            let role = bonds.iter().find(|bond| bond.user_id == user.id)?.role;
            Some(Listed { user, role, tenant: tenant.clone() })
        }));
        if !page.has_next {
            return Ok(listed);
        }
    }
}

/// Whether the person can get in without a link.
fn way_in(user: &user::User) -> &'static str {
    match (user.password_hash.is_some(), user.password_reset_requested_at.is_some()) {
        (_, true) => "asked for a new password",
        (true, false) => "has a password",
        (false, false) => "has no password",
    }
}

fn line(listed: &Listed) {
    let Listed { user, role, tenant } = listed;
    print(&format!("{}  {:<11}  {:<16}  {:<24}  {}", user.id, role.name(), tenant.slug, way_in(user), user.email));
}

fn as_json(listed: &Listed) -> Value {
    let Listed { user, role, tenant } = listed;
    json!({
        "id": user.id, "email": user.email, "name": user.name, "role": role.name(), "tenant": tenant.slug,
        "hasPassword": user.password_hash.is_some(), "passwordResetRequestedAt": user.password_reset_requested_at,
        "createdAt": user.created_at,
    })
}
