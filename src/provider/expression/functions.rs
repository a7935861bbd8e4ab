//! The functions that expressions may call: those of the standard, and ours.
//!
//! Ours stay few and small. Each is bounded by its input: the standard's `join` is replaced by one that stops
//! at a size, since it multiplies two inputs.

use std::sync::LazyLock;

use chrono::{DateTime, SecondsFormat};
use jmespath::{Context, ErrorReason, JmespathError, Rcvar, Runtime, RuntimeError, SearchResult, Variable};
use serde_json::Number;

/// Longest text that a function makes.
const MAX_TEXT: usize = 1 << 20;

/// What is known about a function before it is called.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Fewest arguments.
    pub least: usize,
    /// Most arguments.
    pub most: usize,
    /// How it is written.
    pub usage: &'static str,
}

const fn known(name: &'static str, least: usize, most: usize, usage: &'static str) -> Known {
    Known { name, least, most, usage }
}

/// Every function there is.
pub const FUNCTIONS: &[Known] = &[
    known("abs", 1, 1, "abs(number)"),
    known("avg", 1, 1, "avg(numbers)"),
    known("ceil", 1, 1, "ceil(number)"),
    known("contains", 2, 2, "contains(text or list, part)"),
    known("divide", 2, 2, "divide(number, number)"),
    known("ends_with", 2, 2, "ends_with(text, end)"),
    known("floor", 1, 1, "floor(number)"),
    known("from_epoch", 1, 1, "from_epoch(seconds or milliseconds)"),
    known("join", 2, 2, "join(glue, texts)"),
    known("keys", 1, 1, "keys(object)"),
    known("length", 1, 1, "length(text, list or object)"),
    known("lower", 1, 1, "lower(text)"),
    known("map", 2, 2, "map(&expression, list)"),
    known("max", 1, 1, "max(list)"),
    known("max_by", 2, 2, "max_by(list, &expression)"),
    known("merge", 1, 16, "merge(object, …)"),
    known("min", 1, 1, "min(list)"),
    known("min_by", 2, 2, "min_by(list, &expression)"),
    known("minus", 2, 2, "minus(number, number)"),
    known("not_null", 1, 16, "not_null(value, …)"),
    known("plus", 2, 2, "plus(number, number)"),
    known("reverse", 1, 1, "reverse(text or list)"),
    known("sort", 1, 1, "sort(list)"),
    known("sort_by", 2, 2, "sort_by(list, &expression)"),
    known("split", 2, 2, "split(text, separator)"),
    known("starts_with", 2, 2, "starts_with(text, start)"),
    known("sum", 1, 1, "sum(numbers)"),
    known("times", 2, 2, "times(number, number)"),
    known("to_array", 1, 1, "to_array(value)"),
    known("to_number", 1, 1, "to_number(value)"),
    known("to_string", 1, 1, "to_string(value)"),
    known("type", 1, 1, "type(value)"),
    known("upper", 1, 1, "upper(text)"),
    known("values", 1, 1, "values(object)"),
];

/// All of them, ready to be called.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut runtime = Runtime::new();
        runtime.register_builtin_functions();
        runtime.register_function("plus", Box::new(|args: &[Rcvar], cx: &mut Context<'_>| sum(args, cx, |a, b| a + b)));
        runtime
            .register_function("minus", Box::new(|args: &[Rcvar], cx: &mut Context<'_>| sum(args, cx, |a, b| a - b)));
        runtime
            .register_function("times", Box::new(|args: &[Rcvar], cx: &mut Context<'_>| sum(args, cx, |a, b| a * b)));
        runtime
            .register_function("divide", Box::new(|args: &[Rcvar], cx: &mut Context<'_>| sum(args, cx, |a, b| a / b)));
        runtime.register_function("lower", Box::new(lower));
        runtime.register_function("upper", Box::new(upper));
        runtime.register_function("split", Box::new(split));
        runtime.register_function("join", Box::new(join));
        runtime.register_function("from_epoch", Box::new(from_epoch));
        runtime
    });
    &RUNTIME
}

fn wrong(context: &Context<'_>, expected: &str, actual: &Variable, position: usize) -> JmespathError {
    let reason =
        RuntimeError::InvalidType { expected: expected.to_owned(), actual: actual.get_type().to_string(), position };
    JmespathError::from_ctx(context, ErrorReason::Runtime(reason))
}

fn text<'a>(args: &'a [Rcvar], at: usize, context: &Context<'_>) -> Result<&'a str, JmespathError> {
    match args.get(at).map(|arg| &**arg) {
        Some(Variable::String(text)) => Ok(text),
        Some(other) => Err(wrong(context, "string", other, at)),
        None => Err(wrong(context, "string", &Variable::Null, at)),
    }
}

fn number(args: &[Rcvar], at: usize, context: &Context<'_>) -> Result<f64, JmespathError> {
    let arg = args.get(at).map_or(&Variable::Null, |arg| &**arg);
    arg.as_number().ok_or_else(|| wrong(context, "number", arg, at))
}

/// A whole number stays one; what is no number is null.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers below 2^53 are cast")]
fn of_number(number: f64) -> Rcvar {
    let whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    let number = if whole { Some(Number::from(number as i64)) } else { Number::from_f64(number) };
    Rcvar::new(number.map_or(Variable::Null, Variable::Number))
}

fn sum(args: &[Rcvar], context: &mut Context<'_>, of: impl Fn(f64, f64) -> f64) -> SearchResult {
    Ok(of_number(of(number(args, 0, context)?, number(args, 1, context)?)))
}

fn lower(args: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    Ok(Rcvar::new(Variable::String(text(args, 0, context)?.to_lowercase())))
}

fn upper(args: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    Ok(Rcvar::new(Variable::String(text(args, 0, context)?.to_uppercase())))
}

fn split(args: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    let (whole, separator) = (text(args, 0, context)?, text(args, 1, context)?);
    let parts: Vec<Rcvar> = if separator.is_empty() {
        vec![Rcvar::new(Variable::String(whole.to_owned()))]
    } else {
        whole.split(separator).map(|part| Rcvar::new(Variable::String(part.to_owned()))).collect()
    };
    Ok(Rcvar::new(Variable::Array(parts)))
}

fn join(args: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    let glue = text(args, 0, context)?;
    let list = args.get(1).map_or(&Variable::Null, |arg| &**arg);
    let parts = list.as_array().ok_or_else(|| wrong(context, "array[string]", list, 1))?;
    let mut joined = String::new();
    for (at, part) in parts.iter().enumerate() {
        let part = part.as_string().ok_or_else(|| wrong(context, "array[string]", list, 1))?;
        if joined.len() + part.len() + glue.len() > MAX_TEXT {
            return Err(wrong(context, "texts of at most 1 MiB together", list, 1));
        }
        if at > 0 {
            joined.push_str(glue);
        }
        joined.push_str(part);
    }
    Ok(Rcvar::new(Variable::String(joined)))
}

/// Seconds since 1970, or milliseconds when seconds would lie beyond the year 5000, as RFC 3339.
#[expect(clippy::cast_possible_truncation, reason = "the number was checked to lie within the range of dates")]
fn from_epoch(args: &[Rcvar], context: &mut Context<'_>) -> SearchResult {
    let arg = args.first().map_or(&Variable::Null, |arg| &**arg);
    let written = || arg.as_string().and_then(|text| text.trim().parse::<f64>().ok());
    let number = arg.as_number().or_else(written).ok_or_else(|| wrong(context, "number", arg, 0))?;
    let seconds = if number.abs() >= 95_617_584_000.0 { number / 1000.0 } else { number };
    let moment = (seconds.abs() < 95_617_584_000.0)
        .then(|| DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64))
        .flatten();
    Ok(Rcvar::new(
        moment.map_or(Variable::Null, |moment| Variable::String(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
    ))
}
