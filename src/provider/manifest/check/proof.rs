//! Whether the proof of an account is one: it must come from the provider, and name the account.
//!
//! Webhooks of an address that serves every tenant go to whoever has proven the account. So the answer that names it
//! has to come from a host of the provider's, whatever a tenant enters as a setting, and the webhooks have to be signed
//! with a secret that no tenant knows as part of its credential.

use super::{
    super::{
        Manifest,
        answer::Probe,
        auth::Auth,
        connection::{Environment, SettingKind},
        leaf::Address,
        proof::Proof,
        reader::Reader,
        webhook::Account,
    },
    names,
};
use crate::provider::{
    expression::{Document, Expression},
    template::Template,
};

pub(super) fn check(manifest: &Manifest, reader: &mut Reader) {
    let Some(webhook) = manifest.webhook.get() else { return };
    let Some(account) = webhook.account.get() else { return };
    let Some(proof) = account.proof.get() else { return };
    let setting = account.setting.as_str();
    if !manifest.settings.all().iter().any(|it| it.name.as_str() == setting) {
        let message =
            format!("`proof` needs a setting to compare with, and `{setting}` is none; write `proof = \"none\"`");
        reader.problem(account.line, message);
        return;
    }
    match proof {
        Proof::Probe(it) => named_by_probe(manifest, account, &it.id, reader),
        Proof::Discovery(it) => {
            if manifest.discovery.get().is_none_or(|discovery| !discovery.set.contains_key(setting)) {
                let message = format!("`proof` is by discovery, which does not set `{setting}`; set it there");
                reader.problem(it.line, message);
            }
        }
    }
    let own: Vec<&str> = manifest.auth.iter().flat_map(Auth::fields).map(|field| field.name.as_str()).collect();
    let of_credential =
        names::of_verify(&webhook.verify).into_iter().flat_map(Template::names).find(|name| own.contains(name));
    if let Some(name) = of_credential {
        let message = format!(
            "webhooks are signed with `{{{name}}}` of a tenant's credential, so one address cannot serve every tenant; \
             write `proof = \"none\"`"
        );
        reader.problem(account.line, message);
    }
    let addresses = manifest.environments.iter().flat_map(Environment::addresses);
    for address in addresses.filter(|address| !is_of_provider(manifest, address)) {
        let message = format!(
            "a tenant chooses the host of `{}`, whose answer proves nothing; write `proof = \"none\"`",
            address.0.as_str()
        );
        reader.problem(account.line, message);
    }
}

fn named_by_probe(manifest: &Manifest, account: &Account, id: &Expression, reader: &mut Reader) {
    let Probe::Request(probe) = &manifest.probe else {
        reader.problem(account.line, "`proof` is by the probe, which is no request; write `proof = \"none\"`");
        return;
    };
    let found = id.texts(&Document::from(probe.example.0.clone()));
    let setting = manifest.settings.all().iter().find(|it| it.name == account.setting);
    let wanted = setting.and_then(|setting| setting.example.as_ref());
    if found.is_empty() || wanted.is_some_and(|wanted| !found.contains(wanted)) {
        let wanted = wanted.map_or_else(|| "nothing".to_owned(), |wanted| format!("no {wanted:?}"));
        let message = format!("`id` of the proof finds {wanted} in the `example` of the probe");
        reader.problem(account.line, message);
    }
}

/// Whether an address is of the provider's, whatever settings stand in it.
fn is_of_provider(manifest: &Manifest, address: &Address) -> bool {
    let free =
        |name: &str| manifest.settings.all().iter().any(|it| it.name.as_str() == name && it.kind == SettingKind::Url);
    if address.0.names().any(free) {
        return false;
    }
    let text = address.0.as_str();
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest).split('/').next().unwrap_or_default();
    match authority.rsplit_once('}') {
        None => true,
        // A gap is followed by a name of the provider's with at least one dot in it.
        Some((_, fixed)) => fixed.starts_with('.') && fixed[1..].contains('.'),
    }
}
