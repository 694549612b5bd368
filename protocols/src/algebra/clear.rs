//! What verbs mean on clear integers: the reference that protocols are held to.

/// `floor((x + 2^(shift-1)) / 2^shift)`: nearest, halves up.
pub fn nearest(x: i128, shift: u32) -> i128 {
    match shift {
        0 => x,
        1..=127 => (x >> shift) + (x >> (shift - 1) & 1),
        _ => 0,
    }
}

/// The value in `[-2^(k-1), 2^(k-1))` that equals `x` modulo `2^k`.
pub fn wrap(x: i128, k: u32) -> i128 {
    let spare = 128 - k;
    x << spare >> spare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        let rounded: Vec<_> = (-6..=6).map(|x| nearest(x, 2)).collect();
        assert_eq!(rounded, [-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2]);
        assert_eq!(nearest(7, 0), 7);
    }

    #[test]
    fn wrapping_keeps_the_low_bits_and_their_sign() {
        assert_eq!([wrap(127, 8), wrap(128, 8), wrap(-129, 8), wrap(256, 8)], [127, -128, 127, 0]);
        assert_eq!(wrap(i128::MIN, 128), i128::MIN);
    }
}
