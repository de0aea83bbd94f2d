//! Means over seeds, and how far the truth may be from them.

/// A figure over the seeds of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mean {
    /// How many seeds have it.
    pub(super) count: usize,
    /// To the nearest unit.
    pub(super) mean: i128,
    /// Half the width of the 95 % confidence interval; none of a single one.
    pub(super) half_width: Option<i128>,
}

/// Two-sided 95 % quantiles of Student's t distribution in thousandths, for 1 to 30 degrees of freedom.
const T_MILLI: [i128; 30] = [
    12_706, 4_303, 3_182, 2_776, 2_571, 2_447, 2_365, 2_306, 2_262, 2_228, 2_201, 2_179, 2_160, 2_145, 2_131, 2_120,
    2_110, 2_101, 2_093, 2_086, 2_080, 2_074, 2_069, 2_064, 2_060, 2_056, 2_052, 2_048, 2_045, 2_042,
];
/// For more: that of 30, which is wider than need be by less than 5 %.
const T_MILLI_MORE: i128 = 2_042;

impl Mean {
    /// Over values in any unit; none of no values. The interval is t · s ÷ √n.
    pub(super) fn of(values: &[i64]) -> Option<Mean> {
        let count = values.len() as i128;
        let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
        if count == 0 {
            return None;
        }
        let mean = crate::offline::figures::rounded(sum, count);
        // Around the mean, so that the squares are small.
        let squares: i128 = values.iter().map(|value| (i128::from(*value) - mean).pow(2)).sum();
        let half_width = (count > 1).then(|| {
            let t = T_MILLI.get(values.len() - 2).copied().unwrap_or(T_MILLI_MORE);
            // s² ÷ n, of which the root is taken with as many decimals as there is room for.
            let variance = squares / (count * (count - 1));
            let finer = if variance < 1 << 80 { 1_000 } else { 1 };
            let root = (squares.saturating_mul(finer * finer) / (count * (count - 1))).unsigned_abs().isqrt();
            i128::try_from(root).unwrap_or(i128::MAX / t) * t / (1_000 * finer)
        });
        Some(Mean { count: values.len(), mean, half_width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_students_t() {
        // Mean 5, s = √(32 ÷ 7) = 2.138, t(7) = 2.365: 2.365 · 2.138 ÷ √8 = 1.788.
        let values = [2, 4, 4, 4, 5, 5, 7, 9].map(|value| value * 1_000_000);
        let found = Mean::of(&values).unwrap();
        assert_eq!((found.count, found.mean), (8, 5_000_000));
        let half_width = found.half_width.unwrap();
        assert!((1_787_000..=1_788_500).contains(&half_width), "{half_width}");
        assert_eq!(Mean::of(&[7]), Some(Mean { count: 1, mean: 7, half_width: None }));
        assert_eq!(Mean::of(&[7, 7]).unwrap().half_width, Some(0));
        assert_eq!(Mean::of(&[]), None);
    }
}
