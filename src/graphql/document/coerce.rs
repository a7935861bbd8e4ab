//! Variables against the types the operation declares for them.
//!
//! The engine looks at a variable only when the resolver that uses it runs, and stops at the first
//! fault. Here all of them are checked before anything runs, so that a form can show every mistake at
//! once: each [`Issue`] has the path into the variables and a text that says what was expected. The
//! rules are the specification's (section 6.1.2), with numbers as JSON has them: a whole number fits
//! `Float` and `ID`, a fraction never fits `Int`. Custom scalars take anything; they parse themselves
//! later, with better words. No text contains NUL, neither as a value nor as a key of JSON.
//!
//! Variables that the operation does not declare are ignored, as the specification has it, but they
//! are held to the same size and depth. Types are walked as deep as values are nested, and values no
//! deeper than the limit.
//!
//! Texts repeat names, cut short where they come from the client, and never values: those may be
//! secrets. Not promised: that a default written in the document fits (validation checks it), or that
//! values make sense (the domain does).

use async_graphql::parser::types::{BaseType, OperationDefinition, Type};
use async_graphql::{Value, Variables};

use super::limits::{Limits, brief, grouped};
use super::nul;
use super::shape::{self, Input, Kind, Shape};
use crate::kernel::error::{Code, Issue};

/// Checks every declared variable; the issues are as many as may be reported at once.
pub fn coerce(
    operation: &OperationDefinition,
    variables: &Variables,
    shape: &Shape,
    limits: &Limits,
) -> Result<(), Vec<Issue>> {
    bounded(variables, limits).map_err(|issue| vec![issue])?;
    let mut check = Check { shape, most: limits.errors.max(1), path: Vec::new(), issues: Vec::new() };
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let name = definition.name.node.as_str();
        let ty = &definition.var_type.node;
        check.path.push(Step::Key(name));
        if check.takes(ty) {
            match variables.get(name) {
                Some(value) => {
                    check.value(ty, value);
                    check.nul(value);
                }
                None if ty.nullable || definition.default_value.is_some() => {}
                None => check.report(format!("is required; its type is {ty}")),
            }
        }
        check.path.pop();
    }
    if check.issues.is_empty() { Ok(()) } else { Err(check.issues) }
}

/// Refuses variables that are too large or nested too deep to be walked.
fn bounded(variables: &Variables, limits: &Limits) -> Result<(), Issue> {
    let mut total = 2_usize;
    for (name, value) in variables.iter() {
        let Some(size) = size(value, limits.variables_depth) else {
            let most = grouped(limits.variables_depth);
            let message = format!("nests lists and objects more than {most} deep");
            return Err(issue(&[Step::Key(name)], &message));
        };
        total = total.saturating_add(name.len() + 4).saturating_add(size);
    }
    if total > limits.variables_bytes {
        let (total, most) = (grouped(total), grouped(limits.variables_bytes));
        let message = format!("the variables have {total} bytes; at most {most} are taken");
        return Err(issue(&[], &message));
    }
    Ok(())
}

/// About how long a value is as JSON; `None` if it is nested deeper than that.
fn size(value: &Value, depth: usize) -> Option<usize> {
    let sum = |sum: usize, more: Option<usize>| Some(sum.saturating_add(more?));
    match value {
        Value::Null | Value::Boolean(_) => Some(4),
        Value::Number(_) => Some(8),
        Value::String(text) => Some(text.len() + 2),
        Value::Enum(name) => Some(name.len() + 2),
        Value::Binary(bytes) => Some(bytes.len()),
        Value::List(items) => {
            let below = depth.checked_sub(1)?;
            items.iter().try_fold(2, |total, item| sum(total + 1, size(item, below)))
        }
        Value::Object(fields) => {
            let below = depth.checked_sub(1)?;
            fields.iter().try_fold(2, |total, (name, field)| sum(total + name.len() + 4, size(field, below)))
        }
    }
}

/// One step of a path into the variables.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

struct Check<'a> {
    shape: &'a Shape,
    most: usize,
    path: Vec<Step<'a>>,
    issues: Vec<Issue>,
}

impl<'a> Check<'a> {
    /// Whether variables can have the type; reports it if not.
    fn takes(&mut self, ty: &Type) -> bool {
        let name = shape::named(ty);
        match self.shape.kind(name) {
            Some(kind) if !kind.is_composite() => return true,
            Some(_) => self.report(format!("cannot be of the type {}", brief(name))),
            None => self.report(format!("has the type {}, which does not exist", brief(name))),
        }
        false
    }

    fn value(&mut self, ty: &'a Type, value: &'a Value) {
        match (&ty.base, value) {
            _ if self.issues.len() >= self.most => {}
            (_, Value::Null) if ty.nullable => {}
            (_, Value::Null) => self.report(format!("must not be null; its type is {ty}")),
            (BaseType::List(inner), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.inside(Step::Index(index), inner, item);
                }
            }
            // A single value stands for a list of one.
            (BaseType::List(inner), single) => self.value(inner, single),
            (BaseType::Named(name), value) => self.named(name, value),
        }
    }

    fn named(&mut self, name: &str, value: &'a Value) {
        match (self.shape.kind(name), value) {
            (Some(Kind::Input(input)), Value::Object(_)) => self.object(name, input, value),
            (Some(Kind::Enum(values)), Value::String(_) | Value::Enum(_)) => {
                let known = match value {
                    Value::String(text) => values.contains(text),
                    Value::Enum(text) => values.contains(text.as_str()),
                    _ => false,
                };
                if !known {
                    self.report(format!("is not one of the values of {name}"));
                }
            }
            (Some(Kind::Scalar), value) if fits(name, value) => {}
            (Some(Kind::Scalar), Value::Number(number)) if name == "Int" && !number.is_f64() => {
                self.report("is more than an Int holds, which has 32 bits");
            }
            (kind, value) => {
                let wanted = match (kind, name) {
                    (Some(Kind::Enum(_)), _) => "the name of a value of ",
                    (Some(Kind::Input(_)), _) => "an object of the type ",
                    (_, "ID") => "a string or a whole number, of the type ",
                    _ => "of the type ",
                };
                self.report(format!("must be {wanted}{name}, but is {}", described(value)));
            }
        }
    }

    fn object(&mut self, name: &str, input: &'a Input, value: &'a Value) {
        let Value::Object(given) = value else { return };
        for (key, value) in given {
            match input.fields.get(key.as_str()) {
                Some(field) if !input.one_of => self.inside(Step::Key(key), &field.ty, value),
                // The fields of a oneOf are nullable, and null is not one of them.
                Some(field) if *value != Value::Null => {
                    self.inside(Step::Key(key), &field.ty, value);
                }
                Some(_) => self.report_inside(key, "must not be null".into()),
                None => self.report_inside(key, format!("is not a field of {name}")),
            }
        }
        if input.one_of && given.len() != 1 {
            let count = given.len();
            self.report(format!("must have exactly one of the fields of {name}, but has {count}"));
        }
        for (key, field) in &input.fields {
            if field.required() && !given.contains_key(key.as_str()) {
                self.report_inside(key, format!("is required; its type is {}", field.ty));
            }
        }
    }

    /// Reports the first text of a variable that contains NUL.
    fn nul(&mut self, value: &Value) {
        let Some(found) = nul::find(value).filter(|_| self.issues.len() < self.most) else { return };
        let path: Vec<_> = self.path.iter().copied().chain(found.iter().map(|name| Step::Key(name))).collect();
        self.issues.push(issue(&path, nul::RULE));
    }

    fn inside(&mut self, step: Step<'a>, ty: &'a Type, value: &'a Value) {
        self.path.push(step);
        self.value(ty, value);
        self.path.pop();
    }

    fn report_inside(&mut self, key: &'a str, message: String) {
        self.path.push(Step::Key(key));
        self.report(message);
        self.path.pop();
    }

    fn report(&mut self, message: impl Into<String>) {
        if self.issues.len() < self.most {
            self.issues.push(issue(&self.path, &message.into()));
        }
    }
}

/// An issue at a path; the text begins with the name of what is there.
fn issue(path: &[Step], message: &str) -> Issue {
    let mut names = vec![String::from("variables")];
    let mut subject = String::new();
    for step in path {
        let name = match step {
            Step::Key(name) => brief(name),
            Step::Index(index) => index.to_string(),
        };
        subject.push_str(match step {
            Step::Key(_) if subject.is_empty() => "$",
            Step::Key(_) | Step::Index(_) => ".",
        });
        subject.push_str(&name);
        names.push(name);
    }
    Issue { code: Code::BadUserInput, path: names, message: format!("{subject} {message}").trim_start().to_owned() }
}

/// Whether a value other than null fits a scalar; those of our own take anything.
fn fits(scalar: &str, value: &Value) -> bool {
    match (scalar, value) {
        ("Int", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("ID", Value::Number(number)) => number.is_i64(),
        ("Float", Value::Number(_)) | ("String" | "ID", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
        (name, _) => !["Int", "Float", "String", "Boolean", "ID"].contains(&name),
    }
}

/// What kind of value it is, without the value.
fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a string",
        Value::Boolean(_) => "a boolean",
        Value::Binary(_) => "a file",
        Value::Enum(_) => "a name",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::{parse, select, tests::SDL};
    use super::*;

    fn issues(declared: &str, variables: Json) -> Vec<(String, String)> {
        let doc = parse(&format!("query({declared}) {{ __typename }}")).unwrap();
        let (_, operation) = select(&doc, None).unwrap();
        let shape = Shape::from_sdl(SDL).unwrap();
        let variables = Variables::from_json(variables);
        let result = coerce(operation, &variables, &shape, &Limits::default());
        let issues = result.err().unwrap_or_default();
        assert!(issues.iter().all(|issue| issue.code == Code::BadUserInput));
        issues.into_iter().map(|issue| (issue.path.join("."), issue.message)).collect()
    }

    fn issue(declared: &str, variables: Json) -> String {
        let mut issues = issues(declared, variables);
        assert_eq!(issues.len(), 1, "{issues:?}");
        issues.remove(0).1
    }

    fn fine(declared: &str, variables: Json) {
        assert_eq!(issues(declared, variables), []);
    }

    #[test]
    fn a_required_variable_must_be_sent_and_never_null() {
        assert_eq!(issue("$a: Int!", json!({})), "$a is required; its type is Int!");
        assert_eq!(issue("$a: Int!", json!({"a": null})), "$a must not be null; its type is Int!");
        assert_eq!(issue("$a: Int! = 1", json!({"a": null})), "$a must not be null; its type is Int!");
        fine("$a: Int! = 1, $b: Int", json!({}));
        fine("$b: Int", json!({"b": null}));
    }

    #[test]
    fn variables_have_types_that_exist_and_can_be_sent() {
        assert_eq!(issue("$a: Nope", json!({})), "$a has the type Nope, which does not exist");
        assert_eq!(issue("$a: [Order!]", json!({"a": []})), "$a cannot be of the type Order");
    }

    #[test]
    fn scalars_take_their_own_kind_of_value() {
        let all = "$i: Int, $f: Float, $s: String, $b: Boolean, $d: ID, $t: Time";
        fine(all, json!({"i": -7, "f": 1.5, "s": "x", "b": true, "d": "x", "t": {"any": [1]}}));
        fine(all, json!({"i": i32::MAX, "f": 1, "d": 12, "t": "2026-01-01"}));
        let message = issue("$a: Int", json!({"a": i64::from(i32::MAX) + 1}));
        assert_eq!(message, "$a is more than an Int holds, which has 32 bits");
        assert!(issue("$a: Int", json!({"a": u64::MAX})).contains("32 bits"));
        let message = issue("$a: Int", json!({"a": 1.5}));
        assert_eq!(message, "$a must be of the type Int, but is a number with a fraction");
        assert!(issue("$a: Int", json!({"a": "1"})).ends_with("a string"));
        assert!(issue("$a: String", json!({"a": 1})).ends_with("a whole number"));
        assert!(issue("$a: Boolean", json!({"a": "true"})).ends_with("a string"));
        assert!(issue("$a: Float", json!({"a": true})).ends_with("a boolean"));
        assert!(issue("$a: ID", json!({"a": 1.5})).contains("a string or a whole number"));
        assert!(issue("$a: ID", json!({"a": [1]})).ends_with("a list"));
    }

    #[test]
    fn a_single_value_stands_for_a_list_of_one() {
        fine("$a: [[Int!]!]!", json!({"a": [[1], 2]}));
        fine("$a: [[Int]]", json!({"a": 1}));
        let found = issues("$a: [Int!]", json!({"a": [1, null, "x"]}));
        assert_eq!(found[0].0, "variables.a.1");
        assert_eq!(found[1].1, "$a.2 must be of the type Int, but is a string");
    }

    #[test]
    fn enums_take_their_own_values() {
        fine("$a: Status", json!({"a": "OPEN"}));
        assert_eq!(issue("$a: Status", json!({"a": "open"})), "$a is not one of the values of Status");
        assert!(issue("$a: Status", json!({"a": 1})).contains("the name of a value of Status"));
    }

    #[test]
    fn input_objects_have_known_fields_and_all_required_ones() {
        fine("$input: OrderInput!", json!({"input": {"name": "x", "lines": {"sku": "a"}}}));
        let input = json!({"input": {"lines": [{"sku": 1}, {"sku": "a", "count": null}], "nope": 1}});
        let found = issues("$input: OrderInput!", input);
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        let lines = "variables.input.lines";
        let expected =
            [&format!("{lines}.0.sku"), &format!("{lines}.1.count"), "variables.input.nope", "variables.input.name"];
        assert_eq!(paths, expected);
        assert_eq!(found[2].1, "$input.nope is not a field of OrderInput");
        assert_eq!(found[3].1, "$input.name is required; its type is String!");
        assert!(issue("$input: OrderInput", json!({"input": "x"})).contains("an object of the type OrderInput"));
    }

    #[test]
    fn exactly_one_field_of_a_one_of_is_given() {
        fine("$by: By!", json!({"by": {"id": "x"}}));
        assert!(issue("$by: By!", json!({"by": {}})).contains("exactly one"));
        assert!(issue("$by: By!", json!({"by": {"id": 1, "name": "x"}})).contains("but has 2"));
        assert_eq!(issue("$by: By!", json!({"by": {"id": null}})), "$by.id must not be null");
    }

    #[test]
    fn variables_nobody_declared_are_ignored_but_bounded() {
        fine("$a: Int", json!({"other": {"deep": [1]}}));
        let nested = |depth: usize| (0..depth).fold(json!(1), |value, _| json!([value]));
        fine("$a: Time", json!({"a": nested(32)}));
        let found = issues("$a: Int", json!({"other": nested(33)}));
        assert_eq!(found[0].0, "variables.other");
        let found = issues("$a: String", json!({"a": "x".repeat(256 * 1024)}));
        assert_eq!(found[0].0, "variables");
        assert!(found[0].1.ends_with("at most 262,144 are taken"), "{}", found[0].1);
    }

    #[test]
    fn no_text_contains_nul() {
        assert_eq!(issue("$a: String", json!({"a": "x\0"})), "$a must not contain NUL (U+0000)");
        assert_eq!(issue("$a: ID", json!({"a": "\0"})), "$a must not contain NUL (U+0000)");
        let found = issues("$a: Time, $b: [String]", json!({"a": {"k": [1, "\0"]}, "b": ["x", "y\0"]}));
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["variables.a.k.1", "variables.b.1"]);
        assert_eq!(issue("$a: Time", json!({"a": {"k": {"x\0y": 1}}})), "$a.k must not contain NUL (U+0000)");
        fine("$a: Time", json!({"a": {"k": "\\u0000"}, "unused": "\0"}));
    }

    #[test]
    fn issues_are_few_and_never_repeat_what_was_sent() {
        let secret = "s3cr3t".repeat(100);
        let found = issues("$a: [Int]", json!({"a": vec![secret; 100]}));
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|(_, message)| !message.contains("s3cr3t")));
        let long = "n".repeat(1_000);
        assert!(issue("$by: OrderInput", json!({"by": {"name": "", long: 1}})).len() < 200);
    }
}
