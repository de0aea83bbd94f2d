//! Calls a second, by address: a token bucket each (`governor`), for a bounded number of addresses.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use public_http::Client;

use super::{refusal::CallRefusal, settings::CallLimits};

/// Whose allowance those share that are too many to be counted apart.
const CROWD: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How often each client may still ask.
pub(super) struct Rate {
    allowances: DefaultKeyedRateLimiter<Client>,
    clock: DefaultClock,
    per_second_max: u32,
    addresses_max: usize,
}

impl Rate {
    pub(super) fn new(limits: &CallLimits) -> Rate {
        let at_least_one = |limit: u32| NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.requests_per_second_max))
            .allow_burst(at_least_one(limits.requests_burst_max));
        Rate {
            allowances: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            per_second_max: limits.requests_per_second_max,
            addresses_max: limits.addresses_max,
        }
    }

    /// Takes one call from the client's allowance.
    pub(super) fn take(&self, client: Client) -> Result<(), CallRefusal> {
        if self.allowances.len() >= self.addresses_max {
            // Whoever has their whole allowance again need not be remembered.
            self.allowances.retain_recent();
        }
        let crowded = self.allowances.len() >= self.addresses_max;
        let client = if crowded { Client::from(CROWD) } else { client };
        self.allowances.check_key(&client).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let retry_after_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            CallRefusal::RateLimited { per_second_max: self.per_second_max, retry_after_s }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests_burst_max: u32, addresses_max: usize) -> Rate {
        // Slow to grant anew: nothing comes back while the test runs its few steps.
        Rate::new(&CallLimits {
            requests_per_second_max: 1,
            requests_burst_max,
            addresses_max,
            ..CallLimits::default()
        })
    }

    fn client(n: u32) -> Client {
        IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n)).into()
    }

    #[test]
    fn addresses_without_number_take_bounded_memory_and_share_what_is_left() {
        let rate = rate(1_000_000, 100);
        for n in 0..10_000 {
            rate.take(client(n)).unwrap();
        }
        assert!(rate.allowances.len() <= 101, "{}", rate.allowances.len());
    }

    #[test]
    fn one_who_asks_too_much_is_alone_with_it() {
        let rate = rate(3, 100);
        let outcomes: Vec<_> = (0..100).map(|_| rate.take(client(1)).is_ok()).collect();
        assert!(outcomes[..3].iter().all(|ok| *ok) && outcomes.contains(&false), "{outcomes:?}");
        assert!(rate.take(client(2)).is_ok());
    }
}
