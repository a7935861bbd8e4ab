//! What a provider's trouble is called where it leaves the house.

use crate::{
    kernel::error::{Code, Error, Issue},
    provider::{
        connector::{Details, Misfit, Part, Trouble, Why},
        manifest::Manifest,
        probe::{Known, Verdict},
    },
};

/// Why a question to a provider came to nothing, as a refusal at that place of the input.
#[must_use]
pub fn refusal(manifest: &Manifest, trouble: &Trouble, path: &str) -> Error {
    let name = &manifest.name;
    match trouble {
        Trouble::Arguments(misfits) => Error::Refused(
            misfits
                .iter()
                .map(|misfit| {
                    let at = if misfit.path.is_empty() { path.to_owned() } else { format!("{path}.{}", misfit.path) };
                    Issue::at(&at, misfit.message.clone())
                })
                .collect(),
        ),
        Trouble::Failed(failure) => {
            let code = if failure.class.retry() { Code::ProviderUnavailable } else { Code::ProviderRejected };
            let said = failure.message.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            let message = format!("{name} {}{said}", word(failure.class));
            Error::Refused(vec![Issue { code, ..Issue::at(path, message) }])
        }
        Trouble::Refused(refusal) => {
            Error::invalid(path, format!("the address of {name} may not be called: {refusal}"))
        }
        Trouble::Unmade(unmade) => Error::conflict(path, format!("the request to {name} cannot be made: {unmade}")),
        Trouble::NoSuchGrant => Error::conflict(path, format!("{name} gives no token this way")),
    }
}

/// Why a verdict is not good, as a refusal at that place of the input.
#[must_use]
pub fn of_verdict(manifest: &Manifest, verdict: &Verdict, path: &str) -> Option<Error> {
    if verdict.is_good() {
        return None;
    }
    if let Some(failure) = &verdict.failure {
        return Some(refusal(manifest, &Trouble::Failed(failure.clone()), path));
    }
    let message = format!("{} answered, but not as it should: is this the right address?", manifest.name);
    Some(Error::Refused(vec![Issue { code: Code::ProviderUnavailable, ..Issue::at(path, message) }]))
}

/// What a verdict says, in a few words.
#[must_use]
pub fn told(manifest: &Manifest, verdict: &Verdict) -> String {
    match (&verdict.failure, verdict.is_good()) {
        (None, true) => match &verdict.account {
            Some(account) => format!("{} answers and knows {account}", manifest.name),
            None => format!("{} answers and takes the credential", manifest.name),
        },
        (Some(failure), good) => {
            let said = failure.message.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            let but = if good && verdict.permission == Known::Bad { "takes the credential, but " } else { "" };
            format!("{} {but}{}{said}", manifest.name, word(failure.class))
        }
        (None, false) => format!("{} answers, but not as it should", manifest.name),
    }
}

fn word(class: crate::provider::manifest::answer::Class) -> &'static str {
    use crate::provider::manifest::answer::Class;
    match class {
        Class::Auth => "refuses the credential",
        Class::Permission => "does not allow this with the credential",
        Class::NotFound => "does not know what was asked for",
        Class::Invalid => "does not take the request",
        Class::Conflict => "says that it does not fit the present state",
        Class::Throttled => "was asked too often; try again later",
        Class::Quota => "has no allowance left; try again later",
        Class::Down => "cannot be reached",
        Class::Unreadable => "gave an answer that cannot be read",
    }
}

/// What is wrong with what is known of a connection; what an account will bring is told apart.
#[must_use]
pub fn misfits(manifest: &Manifest, details: &Details, path: &str) -> (Vec<Issue>, Vec<String>) {
    let (mut issues, mut found) = (Vec::new(), Vec::new());
    for Misfit { part, name, why } in details.misfits(manifest) {
        let (at, what) = match part {
            Part::Environment => (format!("{path}environment"), "environment"),
            Part::Auth => (format!("{path}authMethod"), "way to prove who asks"),
            Part::Setting => (format!("{path}settings.{name}"), "setting"),
            // Fields of credentials are held against the file where they are given.
            Part::Credential | Part::App => continue,
        };
        let names = || match part {
            Part::Environment => manifest.environments.iter().map(|it| it.key.0.clone()).collect::<Vec<_>>(),
            Part::Auth => manifest.auth.iter().map(|it| it.key().0.clone()).collect(),
            _ if name == "version" => {
                manifest.version.get().into_iter().flat_map(|it| &it.known).map(|it| it.id.clone()).collect()
            }
            _ => manifest.settings.all().iter().map(|it| it.name.0.clone()).collect(),
        };
        match why {
            Why::Found => found.push(name),
            Why::Missing => issues.push(missing(manifest, &name, path)),
            Why::Unknown => {
                let all = names().join(", ");
                let rest = if all.is_empty() { "there are none".to_owned() } else { format!("there are {all}") };
                issues.push(Issue::at(&at, format!("{} has no {what} {name:?}; {rest}", manifest.name)));
            }
            Why::Unfit(reason) => issues.push(Issue::at(&at, reason)),
        }
    }
    (issues, found)
}

/// A setting that nobody gave.
#[must_use]
pub fn missing(manifest: &Manifest, name: &str, path: &str) -> Issue {
    let setting = manifest.settings.all().iter().find(|setting| setting.name.as_str() == name);
    let help = setting.and_then(|setting| setting.help.as_ref()).map(|help| format!(": {help}")).unwrap_or_default();
    Issue::at(&format!("{path}settings.{name}"), format!("the setting {name} is missing{help}"))
}
