//! What an invocation has of time and memory, and how much of it is used.

use daily_report::run::LimitsUsed;
use jiff::Timestamp;

/// What an invocation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// When it is stopped from outside.
    pub(crate) ends_at: Timestamp,
    pub(crate) memory_bytes: u64,
}

impl Limits {
    /// Returns how much is used, in percent, by an attempt that began at a time.
    pub(crate) fn used(&self, started_at: Timestamp, now: Timestamp) -> LimitsUsed {
        let millis = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
        };
        let percent = |part: u64, whole: u64| part.saturating_mul(100) / whole.max(1);
        LimitsUsed {
            time_percent: percent(millis(started_at, now), millis(started_at, self.ends_at)),
            memory_percent: percent(peak_memory_bytes(), self.memory_bytes),
        }
    }
}

/// Returns the most memory that the process had at a time; 0 where the system does not say.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_told_in_percent() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let limits = Limits {
            ends_at: at(1000),
            memory_bytes: peak_memory_bytes() * 4,
        };
        let used = limits.used(at(100), at(640));
        assert_eq!(used.time_percent, 60);
        // The process may have grown meanwhile.
        assert!((25..50).contains(&used.memory_percent), "{used:?}");
    }
}
