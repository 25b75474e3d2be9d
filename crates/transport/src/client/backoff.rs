//! Pauses between connection attempts.

use std::time::Duration;

use crate::TransportConfig;

/// The pause after the `failures`-th failure in a row. `random` in `0.0..1.0` takes off up to half of it, so that the followers
/// of a leader that comes back do not all come at once.
pub(super) fn pause(config: &TransportConfig, failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let longest = config
        .backoff_initial
        .saturating_mul(1 << doublings)
        .min(config.backoff_max);
    longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary_by_half() {
        let config = TransportConfig::DEFAULTS;
        let millis = |failures, random| pause(&config, failures, random).as_millis();
        assert_eq!(
            [1, 2, 3, 7, 8, 1000].map(|failures| millis(failures, 0.0)),
            [50, 100, 200, 3200, 5000, 5000]
        );
        assert_eq!([0.0, 0.5, 1.0].map(|random| millis(2, random)), [100, 75, 50]);
    }
}
