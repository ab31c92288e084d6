//! Numbers as Prometheus writes and reads them: values, bucket bounds, timestamps.

use std::borrow::Cow;

/// The number, or `None` if Prometheus would not read it (one too big for a float included).
#[must_use]
pub fn parse(text: &[u8]) -> Option<f64> {
    if is_finite_form(text) {
        let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        return number.is_finite().then_some(number);
    }
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    text.eq_ignore_ascii_case(b"nan").then_some(f64::NAN)
}

/// Whether the text is a decimal number: sign, digits with a point anywhere among them, exponent.
fn is_finite_form(text: &[u8]) -> bool {
    let mut at = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(text, &mut at);
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        fraction = digits(text, &mut at);
    }
    whole + fraction > 0 && exponent(text, &mut at, usize::MAX) && at == text.len()
}

/// Skips digits; how many they were.
fn digits(text: &[u8], at: &mut usize) -> usize {
    let start = *at;
    while text.get(*at).is_some_and(u8::is_ascii_digit) {
        *at += 1;
    }
    *at - start
}

/// Skips an exponent of up to `longest` digits if there is one; false if there is one that is none.
fn exponent(text: &[u8], at: &mut usize, longest: usize) -> bool {
    if !matches!(text.get(*at), Some(b'e' | b'E')) {
        return true;
    }
    *at += 1;
    if matches!(text.get(*at), Some(b'+' | b'-')) {
        *at += 1;
    }
    (1..=longest).contains(&digits(text, at))
}

/// Whether the text is a number that is written as it was read, of a length that cannot overflow a float: the form in
/// which Envoy and client libraries write values.
#[must_use]
pub fn is_plain(text: &[u8]) -> bool {
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(text, &mut at);
    if whole == 0 {
        return matches!(text, b"NaN" | b"+Inf" | b"-Inf");
    }
    if at == text.len() {
        return whole <= 40;
    }
    if text[at] == b'.' {
        at += 1;
        if !(1..=40).contains(&digits(text, &mut at)) {
            return false;
        }
    }
    whole <= 40 && exponent(text, &mut at, 2) && at == text.len()
}

/// The number as it was written, except that infinities and NaN have one spelling; `None` if it is none.
#[must_use]
pub fn canonical(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let number = parse(text)?;
    Some(if number.is_finite() { Cow::Borrowed(text) } else { Cow::Owned(shortest(number)) })
}

/// Sign, shortest digits that read back as the same number, and the power of ten of the first digit.
fn decimal(number: f64) -> (&'static str, String, i32) {
    let magnitude = number.abs();
    let mut written = format!("{magnitude:e}");
    // Of two shortest forms that are equally near, Rust may take the odd one, Python and Go take the even one, which is
    // what rounding to as many digits gives.
    let places = written.find('e').map_or(0, |mantissa| mantissa.saturating_sub(2));
    let even = format!("{magnitude:.places$e}");
    if even != written && even.parse() == Ok(magnitude) {
        written = even;
    }
    let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
    let sign = if number.is_sign_negative() { "-" } else { "" };
    (sign, mantissa.replace('.', ""), power.parse().unwrap_or(0))
}

/// Digits with the point behind the one of power zero, without exponent.
fn positional(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (before, after) = digits.split_at(whole);
    format!("{before}.{after}")
}

/// One digit, the others behind the point, and the exponent with at least two digits.
fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs())
}

fn spelled(number: f64, smallest: i32, first_scientific: i32) -> Vec<u8> {
    let (sign, digits, exponent) = decimal(number);
    let text = if exponent < smallest || exponent >= first_scientific {
        scientific(&digits, exponent)
    } else {
        positional(&digits, exponent)
    };
    format!("{sign}{text}").into_bytes()
}

fn special(number: f64) -> Option<Vec<u8>> {
    if number.is_nan() {
        return Some(b"NaN".to_vec());
    }
    let text: &[u8] = if number > 0.0 { b"+Inf" } else { b"-Inf" };
    number.is_infinite().then(|| text.to_vec())
}

/// The shortest text that reads back as the same number, with an exponent from 1e+16 on and below 1e-04.
#[must_use]
pub fn shortest(number: f64) -> Vec<u8> {
    special(number).unwrap_or_else(|| spelled(number, -4, 16))
}

/// A bucket bound in the one spelling that Go prints (exponents from 1e+06 on and below 1e-04); `None` if it is no
/// number.
#[must_use]
pub fn bound(number: f64) -> Option<Vec<u8>> {
    if number.is_nan() {
        return None;
    }
    if number == 0.0 {
        return Some(b"0".to_vec());
    }
    Some(special(number).unwrap_or_else(|| spelled(number, -4, 6)))
}

/// The integer of a text of a sign and up to 18 digits.
#[must_use]
pub fn exact(text: &[u8]) -> Option<i64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if !(1..=18).contains(&rest.len()) {
        return None;
    }
    let mut number = 0i64;
    for byte in rest {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(if negative { -number } else { number })
}

/// A sum of numbers that `parse` reads: exact while all are integers of up to 18 digits, else in floats from left to
/// right.
#[derive(Clone, Debug, Default)]
pub struct Total {
    exact: Option<i128>,
    float: f64,
    count: usize,
}

impl Total {
    /// The sum of one number so far.
    #[must_use]
    pub fn of(text: &[u8]) -> Total {
        let mut total = Total::default();
        total.add(text);
        total
    }

    /// Add one more number.
    #[allow(clippy::cast_precision_loss)] // the float is the one nearest to the integer, as parsing its digits gives
    pub fn add(&mut self, text: &[u8]) {
        let integer = exact(text);
        self.exact = match (integer, self.exact) {
            (Some(one), _) if self.count == 0 => Some(one.into()),
            (Some(one), Some(sum)) => Some(sum + i128::from(one)),
            _ => None,
        };
        self.float += integer.map_or_else(|| parse(text).unwrap_or(0.0), |one| one as f64);
        self.count += 1;
    }

    /// The sum as it is written.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        self.exact.map_or_else(|| shortest(self.float), |sum| sum.to_string().into_bytes())
    }
}

/// The first millisecond since 1970 that Prometheus has no number for, as a float.
const TOO_LATE: f64 = 9_223_372_036_854_775_808.0;

/// Whether the text is a number, however large or odd: what stands where a timestamp does, and is meant to be one.
#[must_use]
pub fn is_time(text: &[u8]) -> bool {
    let rest = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    is_finite_form(text)
        || [&b"inf"[..], b"infinity", b"nan"].iter().any(|word| rest.eq_ignore_ascii_case(word))
}

/// A timestamp as the format of the answer writes it; `None` if Prometheus could not read it there.
///
/// Prometheus reads in text 0.0.4 digits without a sign that are an `i64` of milliseconds; anything else fails the
/// scrape. In OpenMetrics it reads any finite number of seconds, but one before 1970 or beyond an `i64` of milliseconds
/// costs the sample, and text cannot say it: so it is no timestamp in either format.
#[must_use]
pub fn time(text: &[u8], openmetrics: bool, to_openmetrics: bool) -> Option<Cow<'_, [u8]>> {
    if !openmetrics {
        if !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        if !to_openmetrics {
            return Some(Cow::Borrowed(text));
        }
        let converted = seconds(number.unsigned_abs());
        return parse(&converted)
            .is_some_and(|number| number * 1000.0 < TOO_LATE)
            .then_some(Cow::Owned(converted));
    }
    let number = parse(text)? * 1000.0;
    if !(0.0..TOO_LATE).contains(&number) {
        return None;
    }
    if to_openmetrics && is_seconds(text) {
        return Some(Cow::Borrowed(text));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is a whole number in the range
    let milliseconds = number.round_ties_even() as u64;
    Some(Cow::Owned(if to_openmetrics {
        seconds(milliseconds)
    } else {
        milliseconds.to_string().into_bytes()
    }))
}

/// Whether the text is digits, with others behind a point or not.
fn is_seconds(text: &[u8]) -> bool {
    let mut at = 0;
    let whole = digits(text, &mut at);
    let mut good = (1..=16).contains(&whole);
    if text.get(at) == Some(&b'.') {
        at += 1;
        good &= (1..=18).contains(&digits(text, &mut at));
    }
    good && at == text.len()
}

fn seconds(milliseconds: u64) -> Vec<u8> {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    if rest == 0 {
        return whole.to_string().into_bytes();
    }
    format!("{whole}.{rest:03}").trim_end_matches('0').as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        for (text, number) in
            [("1", 1.0), ("+.5", 0.5), ("1.", 1.0), ("1.e5", 1e5), ("-iNf", f64::NEG_INFINITY)]
        {
            assert_eq!(parse(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["", ".", "+", "1e", "0x1", "1_0", "1e999", "+nan", "1 ", "infin"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn spells_as_python_and_go() {
        for (number, text) in [
            (1e16, "1e+16"),
            (123_456.5, "123456.5"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0"),
            (1e15, "1000000000000000"),
            (562_950_000_000_001.0 + 0.25, "562950000000001.2"),
            (-562_950_000_000_001.0 - 0.75, "-562950000000001.8"),
        ] {
            assert_eq!(String::from_utf8(shortest(number)).as_deref(), Ok(text));
        }
        for (number, text) in
            [(1.8e6, "1.8e+06"), (300_000.0, "300000"), (0.5, "0.5"), (-0.0, "0"), (25.0, "25")]
        {
            assert_eq!(bound(number).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn sums_are_exact_for_integers() {
        let mut total = Total::default();
        for text in ["999999999999999999", "1", "-007"] {
            total.add(text.as_bytes());
        }
        assert_eq!(total.text(), b"999999999999999993");
        total.add(b"0.5");
        assert_eq!(total.text(), b"1e+18");
    }

    #[test]
    fn converts_timestamps() {
        let text = |text: &[u8], from, to| {
            time(text, from, to).map(|time| String::from_utf8_lossy(&time).into_owned())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(text(b"1395066363000", false, true), some("1395066363"));
        assert_eq!(text(b"005", false, true), some("0.005"));
        assert_eq!(text(b"1395066363.5", true, false), some("1395066363500"));
        assert_eq!(text(b"-0", true, true), some("0"));
        assert_eq!(text(b"9223372036854775807", false, false), some("9223372036854775807"));
        for (unreadable, from) in
            [("-5", false), ("9223372036854775808", false), ("-0.1", true), ("1e16", true)]
        {
            assert_eq!(text(unreadable.as_bytes(), from, false), None, "{unreadable}");
        }
    }
}
