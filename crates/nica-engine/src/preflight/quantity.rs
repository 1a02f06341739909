//! Amounts as Kubernetes writes them: `100m`, `1.5`, `128Mi`, `1e3`. In thousandths, rounded up like the scheduler does.

/// Thousandths of a unit; none for what is no amount.
pub fn milli(text: &str) -> Option<i128> {
    let digits =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (numerator, denominator) = factor(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let whole = whole.trim_start_matches(['+', '-']);
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 12 {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    let value = value.checked_mul(1_000)?.checked_mul(numerator)?;
    let by = denominator.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let rounded = value.checked_add(by - 1)? / by;
    Some(if negative { -rounded } else { rounded })
}

/// As a fraction.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| (1_024_i128.pow(power), 1);
    let decimal = |power: u32| (10_i128.pow(power), 1);
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10_i128.checked_pow(power.unsigned_abs()).filter(|_| power.unsigned_abs() <= 18)?;
            if power < 0 { (1, ten) } else { (ten, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        let check = |text: &str, expected: Option<i128>| assert_eq!(milli(text), expected, "{text}");
        check("1", Some(1_000));
        check("100m", Some(100));
        check("1.5", Some(1_500));
        check("0.1", Some(100));
        check("250u", Some(1));
        check("128Mi", Some(134_217_728_000));
        check("1.5Gi", Some(1_610_612_736_000));
        check("2k", Some(2_000_000));
        check("1e3", Some(1_000_000));
        check("5E-1", Some(500));
        check("1E", Some(1_000_000_000_000_000_000_000));
        check("-1", Some(-1_000));
        for wrong in ["", "Mi", "1Xi", "one", "1.2.3", "1e", "1e99", "--1x", "."] {
            check(wrong, None);
        }
    }

    #[test]
    fn no_text_breaks_the_reader() {
        for a in ["", "-", "+", "9".repeat(60).as_str(), ".", "1."] {
            for b in ["", "e", "e-", "E999999999999", "Ei", "é", "9".repeat(60).as_str()] {
                let _ = milli(&format!("{a}{b}"));
            }
        }
    }
}
